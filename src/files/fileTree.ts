import { InputError, messageOf } from '../errors.js';
import { joinPaths } from './paths.js';

/** A file whose bytes are fetched or unpacked only when they are asked for. */
export interface LazyFile {
  /** What errors call it. */
  readonly name: string;
  /** All of its bytes. @throws InputError where they cannot be had */
  read(): Promise<Uint8Array>;
}

/** Files by their relative paths, whatever holds them. */
export interface FileTree {
  /** What errors call it. */
  readonly name: string;
  /**
   * The folder in which all of the files lie, as in that of a folder picker; '' where there is none. What macOS puts
   * beside it does not count.
   */
  readonly top: string;
  /** Whether there is a file; undefined where only reading it tells. */
  has(path: string): boolean | undefined;
  /** A file's content. @throws InputError where there is none, or it cannot be read */
  open(path: string): Promise<Blob>;
}

/** A path in the tree, or else in the folder in which all of it lies. */
export function findPath(tree: FileTree, path: string): string | undefined {
  const ways = [joinPaths('', path), joinPaths(tree.top, path)];
  return ways.find((way) => way !== undefined && tree.has(way) !== false);
}

/** A file of a tree, which is opened when it is read. */
export function lazyFile(tree: FileTree, path: string): LazyFile {
  const read = async (): Promise<Uint8Array> => {
    const blob = await tree.open(path);
    return new Uint8Array(await readable(path, blob.arrayBuffer()));
  };
  return { name: path, read };
}

/**
 * A folder of the browser's: a picked one, or one of the origin's private file system. These are the
 * parts of its `FileSystemDirectoryHandle` that are used.
 */
export interface DirectoryHandle {
  readonly kind: 'directory';
  readonly name: string;
  /** What it holds: such directories and files, of which TypeScript's own types say no more than this. */
  values(): AsyncIterable<{ readonly kind: 'directory' | 'file'; readonly name: string }>;
  /** A folder in it. */
  getDirectoryHandle(name: string, options?: { create?: boolean }): Promise<DirectoryHandle>;
  /** A file in it. */
  getFileHandle(name: string, options?: { create?: boolean }): Promise<FileHandle>;
  /** Removes what it holds by a name. */
  removeEntry(name: string, options?: { recursive?: boolean }): Promise<void>;
}

/** A file of such a folder. */
export interface FileHandle {
  readonly kind: 'file';
  readonly name: string;
  /** What the file holds now. */
  getFile(): Promise<File>;
}

/**
 * Where files are: a zip as a Blob, the files of a folder picker (`<input webkitdirectory>`), Blobs
 * by their relative paths, the handle of a directory, or a folder's path or address.
 */
export type FileSource =
  | Blob
  | Iterable<File>
  | ArrayLike<File>
  | ReadonlyMap<string, Blob>
  | DirectoryHandle
  | string
  | URL;

/** A source whose files this page holds. */
export type HeldFiles = Exclude<FileSource, string | URL>;

/**
 * Opens files that are at hand; of a directory, it lists all that it holds.
 *
 * @throws InputError where it is none of these, or a zip that is damaged or not to be trusted.
 */
export async function openFiles(source: HeldFiles): Promise<FileTree> {
  if (source instanceof Blob) {
    const { zipTree } = await import('./zip.js');
    return zipTree(source);
  }
  if (isDirectory(source)) return directoryTree(source);
  if (source instanceof Map)
    return blobTree(source as ReadonlyMap<string, Blob>, 'the files given');
  if (isListed(source)) return blobTree(byPath(Array.from(source)), 'the files given');
  throw new InputError(
    'files: they must be a zip as a Blob, Files, a Map of Blobs by their paths, or a directory ' +
      `handle, got ${source === null ? 'null' : typeof source}`,
  );
}

/** Whether something is the handle of a directory. */
export function isDirectory(source: unknown): source is DirectoryHandle {
  return (source as { kind?: unknown } | null)?.kind === 'directory';
}

function isListed(source: unknown): source is Iterable<File> | ArrayLike<File> {
  if (typeof source !== 'object' || source === null) return false;
  return Symbol.iterator in source || 'length' in source;
}

/** Files by the paths that a folder picker gives them, from within the folder that was picked. */
function byPath(files: readonly File[]): Map<string, Blob> {
  return new Map(files.map((file) => [file.webkitRelativePath || file.name, file]));
}

function blobTree(blobs: ReadonlyMap<string, Blob>, name: string): FileTree {
  const found = new Map<string, Blob>();
  for (const [path, blob] of blobs) {
    const shortest = joinPaths('', path);
    if (shortest) found.set(shortest, blob);
  }
  return heldTree(name, found, async (blob) => blob);
}

/** The files of a directory, all of which are listed first. */
export async function directoryTree(directory: DirectoryHandle): Promise<FileTree> {
  const handles = new Map<string, FileHandle>();
  const visit = async (folder: DirectoryHandle, prefix: string): Promise<void> => {
    for await (const entry of folder.values()) {
      if (entry.kind === 'file') handles.set(prefix + entry.name, entry as FileHandle);
      else await visit(entry as DirectoryHandle, `${prefix}${entry.name}/`);
    }
  };
  await visit(directory, '');
  return heldTree(directory.name || 'the folder', handles, (handle) => handle.getFile());
}

/** Files that are known by their paths, and how one of them is opened. */
export function heldTree<T>(
  name: string,
  held: ReadonlyMap<string, T>,
  open: (file: T) => Promise<Blob>,
): FileTree {
  return {
    name,
    top: topOf(held.keys()),
    has: (path) => held.has(path),
    open: async (path) => {
      const file = held.get(path);
      if (file === undefined) throw new InputError(`files: ${name} has no file ${path}`);
      return readable(path, open(file));
    },
  };
}

/** The files below an address, which are fetched one by one. */
export function addressTree(base: URL, request: typeof fetch = fetch): FileTree {
  const folder = new URL(base.href.endsWith('/') ? base.href : `${base.href}/`);
  const open = async (path: string): Promise<Blob> => {
    const url = new URL(path.split('/').map(encodeURIComponent).join('/'), folder);
    const response = await readable(url.href, request(url));
    if (response.ok) return readable(url.href, response.blob());
    throw new InputError(`files: ${url.href} answered ${response.status}; check the address`);
  };
  return { name: folder.href, top: '', has: () => undefined, open };
}

/** What macOS puts beside the files of people, in the zips that it makes too. */
const ofTheSystem = /(^|\/)(__MACOSX\/|\._|\.DS_Store$)/;

function topOf(paths: Iterable<string>): string {
  let top: string | undefined;
  for (const path of paths) {
    if (ofTheSystem.test(path)) continue;
    const [first, ...others] = path.split('/');
    if (others.length === 0 || (top !== undefined && top !== first)) return '';
    top = first;
  }
  return top ?? '';
}

async function readable<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`files: ${name} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
