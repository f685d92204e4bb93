import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  appendFile,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.js';
import type { DirectoryHandle } from '../files/fileTree.js';
import { isRunning } from '../files/processes.node.js';
import type { FileContent, ReplaceOptions } from './fileContent.js';
import type { ByteSource } from './source.js';

/** One read of Node takes less than 2 GiB. */
const longestRead = 1 << 30;

/**
 * Opens a file to be read in ranges; it may be longer than 2 GiB.
 *
 * @throws InputError where there is no such file.
 */
export async function openFile(path: string | URL): Promise<ByteSource> {
  const name = pathOf(path);
  const handle = await open(name).catch((error: unknown) => {
    if (isCode(error, 'ENOENT', 'ENOTDIR'))
      throw new InputError(`weights: there is no file ${name}`);
    throw error;
  });
  const stats = await handle.stat();
  if (stats.isFile()) {
    const read: ByteSource['read'] = (begin, end) => readRange(handle, name, begin, end);
    return { name, size: stats.size, read, close: () => handle.close() };
  }
  await handle.close();
  throw new InputError(
    `weights: ${name} must be a file, got a folder or device; name the file in it`,
  );
}

async function readRange(
  handle: FileHandle,
  name: string,
  begin: number,
  end: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - begin);
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, longestRead);
    const { bytesRead } = await handle.read(bytes, at, length, begin + at);
    if (bytesRead === 0) throw new InputError(`weights: ${name} became shorter while it was read`);
    at += bytesRead;
  }
  return bytes;
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

/**
 * Writes a file beside its place, then renames it: whoever reads it finds the old one or the new one, whole. Its
 * folder is made where it is missing. A link stays one, and what it leads to is replaced.
 */
export async function writeFileAtomic(path: string | URL, content: FileContent): Promise<void> {
  await writeFilesAtomic([[path, content]]);
}

/**
 * Writes files that belong together as `writeFileAtomic` writes one: none is renamed before all are whole.
 *
 * @returns their paths
 */
export async function writeFilesAtomic(
  files: readonly (readonly [path: string | URL, content: FileContent])[],
): Promise<string[]> {
  const written: { target: string; temporary: string }[] = [];
  try {
    for (const [path, content] of files) {
      const target = await followLink(resolve(pathOf(path)));
      const existing = await statOf(target);
      if (existing?.isDirectory())
        throw new InputError(`writing ${target}: it must be a file, and a folder is there`);
      await makeFolder(dirname(target));
      const temporary = temporaryFor(target);
      written.push({ target, temporary });
      await writeAndSync(temporary, content, existing?.mode);
    }
    for (const { target, temporary } of written) await rename(temporary, target);
    return written.map(({ target }) => target);
  } catch (error) {
    for (const { temporary } of written) await rm(temporary, { force: true });
    throw error;
  }
}

/** Adds text to a file's end, which is made where it is missing. */
export async function appendText(path: string, text: string): Promise<void> {
  await appendFile(path, text);
}

/** Adds bytes to a file's end, which is made where it is missing. */
export async function appendBytes(path: string, bytes: Uint8Array): Promise<void> {
  await appendFile(path, bytes);
}

/** Cuts a file to its first bytes. */
export async function truncateFile(path: string, size: number): Promise<void> {
  await truncate(path, size);
}

/** The names of what a folder holds, in order; none where it is missing. */
export async function listFolder(path: string): Promise<string[]> {
  return (await isFolder(path)) ? (await readdir(path)).toSorted() : [];
}

/** Makes a folder, and those that it lies in. @throws InputError where one of them is a file */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if (!isCode(error, 'EEXIST', 'ENOTDIR')) throw error;
    throw new InputError(`writing ${path}: it must be a folder, and a file is there`);
  }
}

/** Removes a file, or a folder with all that it holds; nothing where there is none. */
export async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

/** The path of a folder. @throws InputError for the handle of one, which only browsers have */
export function pathOfFolder(folder: string | DirectoryHandle): string {
  if (typeof folder === 'string') return folder;
  const came = typeof folder === 'object' ? 'an object' : String(folder);
  throw new InputError(
    `writing: a folder must be named by its path, got ${came}; only in a browser may it be a directory's handle`,
  );
}

/** The last part of a path. */
export function fileName(path: string | URL): string {
  return basename(pathOf(path));
}

async function writeAndSync(path: string, content: FileContent, mode?: number): Promise<void> {
  const handle = await open(path, 'wx', mode);
  try {
    // FileHandle's types do not know that it takes an iterable, as fs.promises.writeFile does.
    await writeFile(handle, content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a folder as a whole by what `write` puts into an empty one beside it. Should the process die, the old
 * folder or the new one stands there, for those who call `recoverFolder` before they read.
 *
 * @throws InputError where a file, the working directory, or an entry that would get lost is in the way; then all
 *   is as it was.
 */
export async function replaceFolder(
  path: string | URL,
  write: (temporaryFolder: string) => Promise<void>,
  { owns = () => false }: ReplaceOptions = {},
): Promise<void> {
  const target = await followLink(resolve(pathOf(path)));
  await recoverFolder(target);
  await checkPlace(target);
  await makeFolder(dirname(target));
  await removeRemains(target);
  const temporary = temporaryFor(target);
  try {
    await mkdir(temporary);
    await write(temporary);
    await checkLosses(target, temporary, owns);
    await swap(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** From the first rename on the new folder is whole, and `recoverFolder` finishes what is left of this. */
async function swap(temporary: string, target: string): Promise<void> {
  const { next, previous } = betweenNames(target);
  await rename(temporary, next);
  await moveIfThere(target, previous);
  await moveIfThere(next, target);
  await rm(previous, { recursive: true, force: true });
}

/**
 * Finishes a `replaceFolder` that died between its renames: where the folder is missing, the new one takes its
 * place, or else the old one. Readers call it first; it does nothing where nothing was left behind.
 */
export async function recoverFolder(path: string | URL): Promise<void> {
  const target = await followLink(resolve(pathOf(path)));
  const { next, previous } = betweenNames(target);
  if ((await statOf(target)) === undefined) {
    if (!(await moveIfThere(next, target))) await moveIfThere(previous, target);
  } else if ((await statOf(next)) === undefined) {
    // The swap was done: an old folder must not come back once this one is deleted.
    await rm(previous, { recursive: true, force: true }).catch(() => {});
  }
}

/** The names that folders have between two renames; only a whole folder ever has one of them. */
function betweenNames(target: string): { next: string; previous: string } {
  const beside = (state: string): string => join(dirname(target), `.${basename(target)}.${state}`);
  return { next: beside('next'), previous: beside('previous') };
}

async function moveIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    // A file may also have come to stand where it is moved to; that must be said.
    if ((await statOf(from)) === undefined) return false;
    throw error;
  }
}

async function checkPlace(target: string): Promise<void> {
  if (holds(target, process.cwd())) {
    throw new InputError(
      `writing ${target}: it holds the working directory; name a folder of its own`,
    );
  }
  if ((await statOf(target))?.isDirectory() ?? true) return;
  throw new InputError(`writing ${target}: it must be a folder, and a file is there`);
}

/** What file managers leave in every folder. */
const litter = new Set(['.DS_Store', 'Thumbs.db', 'desktop.ini']);

async function checkLosses(
  target: string,
  temporary: string,
  owns: (name: string) => boolean,
): Promise<void> {
  if ((await statOf(target)) === undefined) return;
  const written = new Set(await readdir(temporary));
  const lost = (await readdir(target)).find(
    (name) => !written.has(name) && !litter.has(name) && !owns(name),
  );
  if (lost === undefined) return;
  throw new InputError(
    `writing ${target}: it is replaced as a whole, and '${lost}' in it would get lost; ` +
      'move that away, or name another folder',
  );
}

function holds(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return !isAbsolute(way) && !/^\.\.([\\/]|$)/.test(way);
}

/** Removes what writers that died have left beside the target. */
async function removeRemains(target: string): Promise<void> {
  const { next, previous } = betweenNames(target);
  const remains = (await readdir(dirname(target)))
    .filter((name) => isRemains(name, basename(target)))
    .map((name) => join(dirname(target), name));
  for (const path of [next, previous, ...remains]) await rm(path, { recursive: true, force: true });
}

function temporaryFor(target: string): string {
  return join(
    dirname(target),
    `.${basename(target)}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`,
  );
}

/** A temporary name of the target whose process is no more. */
function isRemains(name: string, target: string): boolean {
  const match = /^\.(.+)\.(\d+)-[0-9a-f]{8}\.tmp$/.exec(name);
  return match?.[1] === target && !isRunning(Number(match[2]));
}

/** Where a link leads, even to what is not there (yet). */
async function followLink(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const link = await readlink(path).catch(() => undefined);
    return link === undefined ? path : resolve(dirname(path), link);
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: unknown) => {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  });
}

/** Whether there is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await statOf(path))?.isDirectory() ?? false;
}

/** Whether there is a file, or a link to one. */
export async function isFile(path: string): Promise<boolean> {
  return (await statOf(path))?.isFile() ?? false;
}

/** Whether a call of the file system failed for one of these reasons. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String((error as NodeJS.ErrnoException | undefined)?.code));
}

function pathOf(path: string | URL): string {
  const isUrl = path instanceof URL || path.startsWith('file:');
  return isUrl ? fileURLToPath(path) : path;
}
