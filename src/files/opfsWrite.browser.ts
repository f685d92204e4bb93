import { InputError } from '../errors.js';
import type { DirectoryHandle, FileHandle } from './fileTree.js';
import { childFile, isNamed } from './opfs.browser.js';

/** A file that is being written, and appears under its name only by `commit`. */
export interface Writing {
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  /** Leaves all as it was. */
  abort(): Promise<void>;
}

/** What browsers add to a file's handle, some not everywhere. */
interface WritableHandle extends FileHandle {
  createWritable?(options?: { keepExistingData?: boolean }): Promise<WritableFile>;
  createSyncAccessHandle?(): Promise<SyncAccess>;
  move?(directory: DirectoryHandle, name: string): Promise<void>;
}

interface WritableFile {
  write(bytes: Uint8Array): Promise<void>;
  seek(position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

interface SyncAccess {
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** Begins to write a file of a directory. @throws InputError where this browser cannot, here */
export async function beginWriting(directory: DirectoryHandle, name: string): Promise<Writing> {
  const existing: WritableHandle | undefined = await childFile(directory, name);
  if (existing?.createWritable !== undefined) return swapWriting(await existing.createWritable());
  // A file that is not there yet would be there, empty, from now on: it is made under another name.
  const temporary = temporaryName(name);
  const handle: WritableHandle = await directory.getFileHandle(temporary, { create: true });
  const forget = (): Promise<void> => directory.removeEntry(temporary).catch(() => {});
  if (handle.createWritable === undefined) return accessWriting(directory, name, handle, forget);
  const { write, commit, abort } = swapWriting(await handle.createWritable());
  return {
    write,
    commit: async () => {
      await commit();
      await moveFile(handle, directory, directory, name);
    },
    abort: async () => {
      await abort();
      await forget();
    },
  };
}

/** The browser writes to a file of its own, and puts it in the place of ours when it is closed. */
function swapWriting(file: WritableFile): Writing {
  return {
    write: (bytes) => file.write(bytes),
    commit: () => file.close(),
    abort: () => file.abort().catch(() => {}),
  };
}

/** Safari before 26: written through a handle that only workers have, then moved. */
async function accessWriting(
  directory: DirectoryHandle,
  name: string,
  handle: WritableHandle,
  forget: () => Promise<void>,
): Promise<Writing> {
  if (handle.createSyncAccessHandle === undefined || handle.move === undefined) {
    await forget();
    throw new InputError(
      `writing ${name}: this browser writes files only from a Worker, or not at all; ` +
        'train in a Worker, or use a newer browser',
    );
  }
  const access = await handle.createSyncAccessHandle();
  let at = 0;
  return {
    write: async (bytes) => {
      if (access.write(bytes, { at }) !== bytes.length)
        throw new DOMException('the file could not be written to its end', 'QuotaExceededError');
      at += bytes.length;
    },
    commit: async () => {
      access.flush();
      access.close();
      await handle.move!(directory, name);
    },
    abort: async () => {
      access.close();
      await forget();
    },
  };
}

/** Puts a file in the place of another, if need be by copying it. */
export async function moveFile(
  file: FileHandle,
  from: DirectoryHandle,
  to: DirectoryHandle,
  name = file.name,
): Promise<void> {
  const [handle, old]: [WritableHandle, string] = [file, file.name];
  if (handle.move !== undefined) {
    try {
      return await handle.move(to, name);
    } catch (error) {
      // Some browsers move files only within the private file system, or not onto another.
      if (isNamed(error, 'QuotaExceededError')) throw error;
    }
  }
  const target: WritableHandle = await to.getFileHandle(name, { create: true });
  const writing = swapWriting(await target.createWritable!());
  try {
    for await (const piece of pieces(await file.getFile())) await writing.write(piece);
    await writing.commit();
  } catch (error) {
    await writing.abort();
    throw error;
  }
  await from.removeEntry(old);
}

const pieceBytes = 8 * 2 ** 20;

/** A Blob, piece by piece. */
export async function* pieces(blob: Blob): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < blob.size; at += pieceBytes)
    yield new Uint8Array(await blob.slice(at, at + pieceBytes).arrayBuffer());
}

/** Changes a file in place, in its length or at its end; a page that dies may leave it half done. */
export async function changeFile(
  directory: DirectoryHandle,
  name: string,
  { size, append }: { size?: number; append?: Uint8Array },
): Promise<void> {
  const handle: WritableHandle = await directory.getFileHandle(name, { create: true });
  if (handle.createSyncAccessHandle !== undefined) {
    const access = await handle.createSyncAccessHandle();
    try {
      if (size !== undefined) access.truncate(size);
      const at = access.getSize();
      if (append !== undefined && access.write(append, { at }) !== append.length) {
        access.truncate(at);
        throw new DOMException('the line could not be written to its end', 'QuotaExceededError');
      }
    } finally {
      access.close();
    }
    return;
  }
  const file = await handle.createWritable!({ keepExistingData: true });
  try {
    if (size !== undefined) await file.truncate(size);
    if (append !== undefined) {
      await file.seek(size ?? (await handle.getFile()).size);
      await file.write(append);
    }
    await file.close();
  } catch (error) {
    await file.abort().catch(() => {});
    throw error;
  }
}

function temporaryName(name: string): string {
  return `.${name}.${crypto.randomUUID().slice(0, 8)}.tmp`;
}

/** Whether a name is one that a page which died while it wrote has left, or the browser for it. */
export function isLeft(name: string): boolean {
  return /^\..+\.[0-9a-f]{8}\.tmp$|\.crswap$/.test(name);
}
