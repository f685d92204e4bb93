import { InputError } from '../errors.js';
import { unavailable } from '../unavailable.browser.js';
import type { FileContent, ReplaceOptions } from './fileContent.js';
import type { ByteSource } from './source.js';

/** Opens a file to be read in ranges. @throws InputError where there is no such file. */
export async function openFile(path: string | URL): Promise<ByteSource> {
  throw unavailable('weights', `the file ${path} (pass bytes, a Blob or a URL instead), which`);
}

/** All of a file. @throws InputError where there is no such file */
export async function readWhole(path: string | URL): Promise<Uint8Array> {
  const file = await openFile(path);
  try {
    return await file.read(0, file.size);
  } finally {
    await file.close();
  }
}

/** Writes a file, whole or not at all. */
export async function writeFileAtomic(path: string | URL, content: FileContent): Promise<void> {
  await writeFilesAtomic([[path, content]]);
}

/** Writes files that belong together, all or none; returns their paths. */
export async function writeFilesAtomic(
  files: readonly (readonly [path: string | URL, content: FileContent])[],
): Promise<string[]> {
  throw unavailable(`writing ${files.map(([path]) => path).join(', ')}`, 'a file system');
}

/** The last part of a path. */
export function fileName(path: string | URL): string {
  const text = String(path);
  return text.slice(text.lastIndexOf('/') + 1);
}

/** Replaces a folder as a whole by what `write` puts into an empty one beside it. */
export async function replaceFolder(
  path: string | URL,
  _write: (temporaryFolder: string) => Promise<void>,
  _options: ReplaceOptions = {},
): Promise<void> {
  throw unavailable(`writing ${path}`, 'a file system');
}

/** Finishes a `replaceFolder` that was interrupted. */
export async function recoverFolder(_path: string | URL): Promise<void> {}

/** Whether there is a folder. */
export async function isFolder(_path: string): Promise<boolean> {
  return false;
}

/** Whether there is a file. */
export async function isFile(_path: string): Promise<boolean> {
  return false;
}

/** Whether a call of the file system failed for one of these reasons. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof InputError ? false : codes.includes(String((error as Error)?.name));
}
