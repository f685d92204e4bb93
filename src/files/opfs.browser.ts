import { InputError } from '../errors.js';
import type { DirectoryHandle, FileHandle } from './fileTree.js';

/** The part of the origin's private file system that is used of `navigator.storage`. */
interface Storage {
  getDirectory?(): Promise<unknown>;
}

/**
 * The root of the origin's private file system, in which paths are (https://fs.spec.whatwg.org).
 *
 * @throws InputError where there is none: the page must come by https or from localhost.
 */
export async function rootDirectory(): Promise<DirectoryHandle> {
  const storage = (globalThis.navigator as { storage?: Storage } | undefined)?.storage;
  if (storage?.getDirectory === undefined) {
    throw new InputError(
      'files: this page has no private file system; serve it by https or from localhost, ' +
        'and open it in a window that is not private',
    );
  }
  return (await storage.getDirectory()) as DirectoryHandle;
}

const mounted: DirectoryHandle[] = [];

/** A path that leads into a directory by its handle, as long as this page is open. */
export function mountDirectory(directory: DirectoryHandle): string {
  const known = mounted.indexOf(directory);
  return `handle:${known === -1 ? mounted.push(directory) - 1 : known}`;
}

/** A path as errors name it: with the name of a directory that came by its handle. */
export function shownPath(path: string): string {
  return path.replace(/^handle:(\d+)/, (whole, at) => mounted[Number(at)]?.name || whole);
}

/** Where a path leads: from which directory, through which names. */
interface Place {
  /** The path in one spelling: locks go by it. */
  readonly path: string;
  readonly root: () => Promise<DirectoryHandle>;
  readonly names: readonly string[];
}

/** @throws InputError for a path that leads out of its root */
export function placeOf(path: string): Place {
  const handle = /^handle:(\d+)(?:\/|$)/.exec(path);
  const inside = handle === null ? path.replace(/^opfs:/, '') : path.slice(handle[0].length);
  const names = namesOf(inside, path);
  if (handle === null) return { path: names.join('/'), root: rootDirectory, names };
  const directory = mounted[Number(handle[1])];
  if (directory === undefined) throw new InputError(`files: ${path} leads into no open directory`);
  return { path: [`handle:${handle[1]}`, ...names].join('/'), root: async () => directory, names };
}

function namesOf(path: string, whole: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined)
      throw new InputError(`files: ${whole} leads out of the private file system`);
  }
  return names;
}

/** A directory, if it is there, or else made. */
export async function findDirectory(path: string): Promise<DirectoryHandle | undefined> {
  const { root, names } = placeOf(path);
  let directory: DirectoryHandle | undefined = await root();
  for (const name of names) directory = directory && (await childDirectory(directory, name));
  return directory;
}

/** A directory, made where it is missing. @throws InputError where a file is in the way */
export async function makeDirectory(path: string): Promise<DirectoryHandle> {
  const { root, names } = placeOf(path);
  let directory = await root();
  for (const name of names) {
    directory = await directory
      .getDirectoryHandle(name, { create: true })
      .catch((error: unknown) => {
        if (isNamed(error, 'TypeMismatchError'))
          throw new InputError(
            `writing ${shownPath(path)}: it must be a folder, and a file is there`,
          );
        throw error;
      });
  }
  return directory;
}

/** A file, if it is there. */
export async function findFile(path: string): Promise<FileHandle | undefined> {
  const { folder, name } = split(path);
  const directory = await findDirectory(folder);
  return directory && name !== '' ? childFile(directory, name) : undefined;
}

/** A file as it is now; what of it is asked for is read later. @throws InputError where there is none */
export async function openBlob(path: string): Promise<Blob> {
  const handle = await findFile(path);
  if (handle !== undefined) return handle.getFile();
  if ((await findDirectory(path)) !== undefined)
    throw new InputError(`weights: ${path} must be a file, got a folder; name the file in it`);
  throw new InputError(`weights: there is no file ${path}`);
}

/** The folder and the name of a path, in one spelling. */
export function split(path: string): { folder: string; name: string } {
  const { path: whole } = placeOf(path);
  const at = whole.lastIndexOf('/');
  return { folder: whole.slice(0, Math.max(0, at)), name: whole.slice(at + 1) };
}

/** A directory in another. */
export function childDirectory(
  parent: DirectoryHandle,
  name: string,
): Promise<DirectoryHandle | undefined> {
  return present(parent.getDirectoryHandle(name));
}

/** A file in a directory. */
export function childFile(parent: DirectoryHandle, name: string): Promise<FileHandle | undefined> {
  return present(parent.getFileHandle(name));
}

async function present<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    // A name that no entry can have (a TypeError) is none that is there.
    if (isNamed(error, 'NotFoundError', 'TypeMismatchError', 'TypeError')) return undefined;
    throw error;
  }
}

/** Whether an error is one of these of the browser's. */
export function isNamed(error: unknown, ...names: string[]): boolean {
  return names.includes(String((error as { name?: unknown } | undefined)?.name));
}
