import { unavailable } from '../unavailable.browser.js';
import type { FileStore, PretrainedOptions } from './hub.js';

/** A folder, if the path leads to one. */
export async function findFolder(_path: string): Promise<FileStore | undefined> {
  return undefined;
}

/** A revision of a hub model. */
export async function openHub(id: string, _options: PretrainedOptions): Promise<FileStore> {
  throw unavailable('pretrained', `the hub's ${id}`);
}
