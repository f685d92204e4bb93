import { InputError } from '../errors.js';
import { unavailable } from '../unavailable.browser.js';
import { isFile, isFolder, openFile, recoverFolder } from './files.browser.js';
import type { FileStore, PretrainedOptions } from './hub.js';
import { blobSource, reasonOf } from './source.js';

/**
 * A folder of the private file system, or one below an address: `./models/tiny/`, `https://...`.
 *
 * @throws InputError where the path leads to a file.
 */
export async function findFolder(path: string): Promise<FileStore | undefined> {
  if (/^https?:/.test(path)) return addressStore(path);
  if (path === '') return undefined;
  const isAddress = /^\.{0,2}\//.test(path);
  if (isAddress && path.startsWith('../')) return addressStore(path); // No private path leads upwards.
  await recoverFolder(path);
  if (await isFolder(path)) return folderStore(path);
  if (await isFile(path))
    throw new InputError(`pretrained: ${path} must be a folder, got a file; name its folder`);
  if (/^(opfs|handle):/.test(path))
    throw new InputError(`pretrained: there is no folder ${path} in the private file system`);
  return isAddress ? addressStore(path) : undefined;
}

function folderStore(path: string): FileStore {
  const inside = (name: string): string => `${path}/${name}`;
  return {
    source: path,
    path,
    has: (name) => isFile(inside(name)),
    open: async (name) => {
      if (await isFile(inside(name))) return openFile(inside(name));
      throw new InputError(
        `pretrained: the folder ${path} has no file ${name}; is it a model's folder?`,
      );
    },
  };
}

/** The files below an address. What a server answers with is kept by the browser, often on disk, and read in ranges. */
function addressStore(path: string): FileStore {
  const folder = new URL(path.endsWith('/') ? path : `${path}/`, location.href);
  const known = new Map<string, Promise<Blob | undefined>>();
  const fetched = (name: string): Promise<Blob | undefined> => {
    const found = known.get(name) ?? download(new URL(encodePath(name), folder));
    known.set(name, found);
    return found;
  };
  return {
    source: path,
    has: async (name) => (await fetched(name)) !== undefined,
    open: async (name) => {
      const blob = await fetched(name);
      if (blob !== undefined) return blobSource(blob, `${path}/${name}`);
      throw new InputError(`pretrained: ${folder.href} has no file ${name}; check the address`);
    },
  };
}

function encodePath(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/');
}

/** What an address answers; undefined where there is none, or a page in its place, as development servers do. */
async function download(url: URL): Promise<Blob | undefined> {
  try {
    const response = await fetch(url);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    if (response.headers.get('content-type')?.startsWith('text/html')) return undefined;
    return await response.blob();
  } catch (error) {
    throw new InputError(`pretrained: ${url.href} could not be fetched: ${reasonOf(error)}`);
  }
}

/** A revision of a hub model. */
export async function openHub(id: string, _options: PretrainedOptions): Promise<FileStore> {
  throw unavailable(
    'pretrained',
    `the hub's ${id} (serve its files beside the page, and pass './${id}/')`,
  );
}
