import { InputError } from '../errors.js';
import { sha256 } from '../files/hash.browser.js';
import { hex } from '../files/hash.js';
import { hasPrivateFiles, mayBePrivate } from '../files/privatePath.browser.js';
import { defaultCache, download, exists } from './download.browser.js';
import type { Download } from './download.browser.js';
import { isFile, isFolder, openFile, recoverFolder } from './files.browser.js';
import type { FileStore, PretrainedOptions } from './hub.js';
import { blobSource, reasonOf } from './source.js';

/**
 * A folder of the private file system, or one below an address: `./models/tiny/`, `https://...`.
 *
 * @throws InputError where the path leads to a file.
 */
export async function findFolder(
  path: string,
  options: PretrainedOptions = {},
): Promise<FileStore | undefined> {
  if (path === '') return undefined;
  const isAddress = /^(https?:|\.{0,2}\/)/.test(path); // Anything else may be a hub id.
  if (isAddress && !(await mayBePrivate(path))) return addressStore(path, options);
  await recoverFolder(path);
  if (await isFolder(path)) return folderStore(path);
  if (await isFile(path))
    throw new InputError(`pretrained: ${path} must be a folder, got a file; name its folder`);
  if (/^(opfs|handle):/.test(path))
    throw new InputError(`pretrained: there is no folder ${path} in the private file system`);
  return isAddress ? addressStore(path, options) : undefined;
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

/** The files below an address, which are kept in the private file system, where the page has one. */
async function addressStore(
  path: string,
  { fetch, onProgress, cacheDir = defaultCache }: PretrainedOptions,
): Promise<FileStore> {
  const base = new URL(path.endsWith('/') ? path : `${path}/`, location.href);
  const keeps = await hasPrivateFiles();
  const want = (name: string): Download => {
    const url = new URL(name.split('/').map(encodeURIComponent).join('/'), base).href;
    const folder = keeps ? `${cacheDir}/addresses/${keyOf(url)}` : undefined;
    return { url, folder, name, fetch, onProgress };
  };
  const [isThere, fetched] = [once(want, exists), once(want, download)];
  return {
    source: path,
    has: isThere,
    open: async (name) => {
      const blob = await fetched(name);
      if (blob !== undefined) return blobSource(blob, `${path}/${name}`);
      throw new InputError(`pretrained: ${base.href} has no file ${name}; check the address`);
    },
  };
}

/** Asks for each file once; one that could not be had is asked for again. */
function once<T>(
  want: (name: string) => Download,
  ask: (what: Download) => Promise<T>,
): (name: string) => Promise<T> {
  const asked = new Map<string, Promise<T>>();
  return (name) => {
    const known = asked.get(name);
    if (known !== undefined) return known;
    const what = want(name);
    const answer = ask(what).catch((error: unknown) => {
      asked.delete(name);
      if (error instanceof InputError) throw error;
      const reason = reasonOf(error);
      throw new InputError(`pretrained: ${what.url} could not be fetched: ${reason}`, {
        cause: error,
      });
    });
    asked.set(name, answer);
    return answer;
  };
}

/** A folder's name for an address. */
function keyOf(url: string): string {
  return hex(sha256().update(url).digest()).slice(0, 32);
}
