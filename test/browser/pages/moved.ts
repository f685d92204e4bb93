import { zipFolder } from '../../../src/files/zipFolder.js';
import { writeFileAtomic } from '../../../src/weights/files.browser.js';

export { travel } from '../../training/moved.js';

/** Puts files into the private file system, by their paths. */
export async function receive(files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [path, bytes] of Object.entries(files)) await writeFileAtomic(path, bytes);
}

export async function zip(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await zipFolder(path)).arrayBuffer());
}
