import { InputError, messageOf } from '../errors.js';

/** Bytes that are read in ranges, so that a file of any size can be read without holding it. */
export interface ByteSource {
  /** What errors call it: a path, a URL, `bytes`. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** The bytes from `begin` up to `end`, which may be a view and must not be changed. */
  read(begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What can be read: a path or URL, or what is in memory already. */
export type WeightsSource = string | URL | Uint8Array | ArrayBuffer | Blob;

/**
 * Opens a file, a URL (`file:`, `http:` or `https:`), or bytes.
 *
 * @throws InputError where there is nothing to read.
 */
export async function openSource(from: WeightsSource): Promise<ByteSource> {
  if (from instanceof Uint8Array) return memorySource(from);
  if (from instanceof ArrayBuffer) return memorySource(new Uint8Array(from));
  if (from instanceof Blob) return blobSource(from, from instanceof File ? from.name : 'blob');
  if (/^https?:/.test(String(from)))
    return memorySource(await download(String(from)), String(from));
  const { openFile } = await import('./files.node.js');
  return openFile(from);
}

/** Views of bytes that are in memory. */
export function memorySource(bytes: Uint8Array, name = 'bytes'): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (begin, end) => view(bytes, begin, end),
    close: async () => {},
  };
}

/** A part of some bytes; never a Buffer, whose `slice` does not copy. */
export function view(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + begin, end - begin);
}

/** A Blob, which may be a file on disk. */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    read: async (begin, end) => new Uint8Array(await blob.slice(begin, end).arrayBuffer()),
    close: async () => {},
  };
}

async function download(url: string): Promise<Uint8Array> {
  const response = await fetch(url).catch((error: unknown) => {
    throw new InputError(`weights: ${url} could not be reached: ${reasonOf(error)}`);
  });
  if (!response.ok)
    throw new InputError(`weights: ${url} answered ${response.status}; check the URL`);
  return new Uint8Array(await response.arrayBuffer());
}

/** What went wrong, with its cause, in which `fetch` hides what a reader needs. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}
