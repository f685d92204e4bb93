import { InputError } from '../errors.js';
import type { DirectoryHandle } from '../files/fileTree.js';
import { locked } from '../files/locks.browser.js';
import {
  childDirectory,
  childFile,
  findDirectory,
  findFile,
  isNamed,
  makeDirectory,
  mountDirectory,
  openBlob,
  placeOf,
  shownPath,
  split,
} from '../files/opfs.browser.js';
import { beginWriting, changeFile, isLeft, moveFile } from '../files/opfsWrite.browser.js';
import type { Writing } from '../files/opfsWrite.browser.js';
import { lastPart } from '../files/paths.js';
import type { FileContent, ReplaceOptions } from './fileContent.js';
import { blobSource } from './source.js';
import type { ByteSource } from './source.js';

/**
 * Opens a file of the private file system to be read in ranges.
 *
 * @throws InputError where there is no such file.
 */
export async function openFile(path: string | URL): Promise<ByteSource> {
  return blobSource(await openBlob(String(path)), String(path));
}

/** All of a file. @throws InputError where there is no such file */
export async function readWhole(path: string | URL): Promise<Uint8Array> {
  const file = await openFile(path);
  return file.read(0, file.size);
}

/** Writes a file that appears under its name only when it is whole; its folder is made where it is missing. */
export async function writeFileAtomic(path: string | URL, content: FileContent): Promise<void> {
  await writeFilesAtomic([[path, content]]);
}

/**
 * Writes files that belong together as `writeFileAtomic` writes one: none appears before all are whole.
 *
 * @returns their paths
 * @throws InputError where the browser's storage is full; then all is as it was
 */
export async function writeFilesAtomic(
  files: readonly (readonly [path: string | URL, content: FileContent])[],
): Promise<string[]> {
  const begun: { path: string; writing: Writing }[] = [];
  let at = '';
  try {
    for (const [target, content] of files) {
      at = String(target);
      const { folder, name } = split(at);
      if (await isFolder(at))
        throw new InputError(`writing ${shownPath(at)}: it must be a file, and a folder is there`);
      const writing = await beginWriting(await makeDirectory(folder), name);
      begun.push({ path: at, writing });
      for await (const bytes of bytesOf(content)) await writing.write(bytes);
    }
    for (const { writing } of begun) await writing.commit();
    return begun.map(({ path }) => path);
  } catch (error) {
    for (const { writing } of begun) await writing.abort();
    throw await explained(error, at);
  }
}

async function* bytesOf(content: FileContent): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string') yield new TextEncoder().encode(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}

/** What is told where the browser's storage is full, or the page may not write to a folder that was picked. */
async function explained(error: unknown, path: string): Promise<unknown> {
  if (isNamed(error, 'NotAllowedError')) {
    return new InputError(
      `writing ${shownPath(path)}: the page may not write there; let the folder be picked with ` +
        "showDirectoryPicker({ mode: 'readwrite' })",
      { cause: error },
    );
  }
  if (!isNamed(error, 'QuotaExceededError')) return error;
  const { usage, quota } = (await navigator.storage.estimate?.()) ?? {};
  const figures =
    quota === undefined ? '' : ` (${megabytes(usage ?? 0)} of ${megabytes(quota)} used)`;
  return new InputError(
    `writing ${shownPath(path)}: the browser's storage for this site is full${figures}; ` +
      'free some of it, and go on: nothing that was written before is lost',
    { cause: error },
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The path of a folder that is named, or given by its handle. */
export function pathOfFolder(folder: string | DirectoryHandle): string {
  return typeof folder === 'string' ? folder : mountDirectory(folder);
}

/** The last part of a path. */
export function fileName(path: string | URL): string {
  return lastPart(String(path));
}

/** Adds text to a file's end, which is made where it is missing. */
export async function appendText(path: string, text: string): Promise<void> {
  await change(path, { append: new TextEncoder().encode(text) });
}

/** Adds bytes to a file's end, which is made where it is missing. */
export async function appendBytes(path: string, bytes: Uint8Array): Promise<void> {
  await change(path, { append: bytes });
}

/** Cuts a file to its first bytes. */
export async function truncateFile(path: string, size: number): Promise<void> {
  await change(path, { size });
}

async function change(path: string, what: Parameters<typeof changeFile>[2]): Promise<void> {
  const { folder, name } = split(path);
  try {
    await changeFile(await makeDirectory(folder), name, what);
  } catch (error) {
    throw await explained(error, path);
  }
}

/** The names of what a folder holds, in order; none where it is missing. */
export async function listFolder(path: string): Promise<string[]> {
  const directory = await findDirectory(path);
  const names: string[] = [];
  if (directory !== undefined) for await (const { name } of directory.values()) names.push(name);
  return names.toSorted();
}

/** Makes a folder, and those that it lies in. @throws InputError where a file stands in its place, or storage is full */
export async function makeFolder(path: string): Promise<void> {
  await makeDirectory(path).catch(async (error: unknown) => {
    throw await explained(error, path);
  });
}

/** Removes a file, or a folder with all that it holds; nothing where there is none. */
export async function remove(path: string): Promise<void> {
  const { folder, name } = split(path);
  const directory = await findDirectory(folder);
  if (directory !== undefined) await removeFrom(directory, name);
}

async function removeFrom(directory: DirectoryHandle, name: string): Promise<void> {
  await directory.removeEntry(name, { recursive: true }).catch((error: unknown) => {
    if (!isNamed(error, 'NotFoundError')) throw error;
  });
}

/** Whether there is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await findDirectory(path)) !== undefined;
}

/** Whether there is a file. */
export async function isFile(path: string): Promise<boolean> {
  return (await findFile(path)) !== undefined;
}

/** Whether the browser's file system failed for one of these reasons, by the names of its errors. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return isNamed(error, ...codes);
}

/** Within a folder that is replaced: where the new files are written, and what says that they are whole. */
const [nextFolder, nextMarker] = ['.next', '.next.json'];

/**
 * Replaces a folder as a whole by what `write` puts into an empty one. Folders cannot be renamed here, so a marker
 * in the folder says that the new files are whole, and from then on they are moved one by one; whoever calls
 * `recoverFolder` before reading finds the old files or the new ones, should the page die in between.
 *
 * @throws InputError where a file, or an entry that would get lost, is in the way, or the browser's storage is full;
 *   then all is as it was.
 */
export async function replaceFolder(
  path: string | URL,
  write: (temporaryFolder: string) => Promise<void>,
  { owns = () => false }: ReplaceOptions = {},
): Promise<void> {
  const target = String(path);
  await locked(placeOf(target).path, async () => {
    const directory = await makeDirectory(target);
    await finish(directory);
    try {
      await write(`${target}/${nextFolder}`);
      const made = await directory.getDirectoryHandle(nextFolder, { create: true });
      const files = await namesIn(made);
      await checkLosses(target, directory, files, owns);
      await writeFileAtomic(`${target}/${nextMarker}`, JSON.stringify(files));
    } catch (error) {
      await removeFrom(directory, nextFolder).catch(() => {});
      throw error;
    }
    await finish(directory).catch(async (error: unknown) => {
      throw await explained(error, target);
    });
  });
}

/**
 * Finishes a `replaceFolder` whose page died while it moved files. Readers call it first; it does nothing where
 * nothing was left behind.
 */
export async function recoverFolder(path: string | URL): Promise<void> {
  const directory = await findDirectory(String(path));
  if (directory === undefined || (await childFile(directory, nextMarker)) === undefined) return;
  await locked(placeOf(String(path)).path, () => finish(directory));
}

/** Moves the files that a marker names, or removes what a page that died before it has left. */
async function finish(directory: DirectoryHandle): Promise<void> {
  const marker = await childFile(directory, nextMarker);
  if (marker !== undefined) {
    const files = JSON.parse(await (await marker.getFile()).text()) as string[];
    const made = await childDirectory(directory, nextFolder);
    for (const name of files) {
      const file = made && (await childFile(made, name)); // Moved already, where it is not there.
      if (file !== undefined) await moveFile(file, made!, directory);
    }
    for (const name of await namesIn(directory))
      if (!files.includes(name) && !isOurs(name)) await removeFrom(directory, name);
    await directory.removeEntry(nextMarker);
  }
  await removeFrom(directory, nextFolder);
}

function isOurs(name: string): boolean {
  return name === nextFolder || name === nextMarker;
}

async function namesIn(directory: DirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of directory.values()) names.push(name);
  return names;
}

async function checkLosses(
  path: string,
  directory: DirectoryHandle,
  files: readonly string[],
  owns: (name: string) => boolean,
): Promise<void> {
  const lost = (await namesIn(directory)).find(
    (name) => !files.includes(name) && !isOurs(name) && !isLeft(name) && !owns(name),
  );
  if (lost === undefined) return;
  throw new InputError(
    `writing ${shownPath(path)}: it is replaced as a whole, and '${lost}' in it would get lost; ` +
      'move that away, or name another folder',
  );
}
