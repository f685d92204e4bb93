import type { FileEntry } from '@zip.js/zip.js';
import { InputError, messageOf } from '../errors.js';
import { heldTree } from './fileTree.js';
import type { FileTree } from './fileTree.js';
import { joinPaths } from './paths.js';

/** A larger file is refused: it is held in memory once it is unpacked. */
const largestFile = 2 ** 31;
/** Above this size, a file that grows so much when it is unpacked is a bomb. */
const harmless = 64 * 2 ** 20;
const greatestRatio = 200;

/**
 * The files of a zip, unpacked one by one when they are read.
 *
 * @throws InputError where it is no zip, is encrypted, or names files that do not lie in it.
 */
export async function zipTree(zip: Blob): Promise<FileTree> {
  const name = zip instanceof File ? zip.name : 'the zip';
  const { BlobReader, ZipReader } = await import('@zip.js/zip.js');
  const reader = new ZipReader(new BlobReader(zip), { useWebWorkers: false });
  const files = new Map<string, FileEntry>();
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      if (entry.directory) continue;
      const path = joinPaths('', entry.filename);
      if (path === undefined || path === '') throw new Error(`it names a file '${entry.filename}'`);
      files.set(path, entry);
    }
  } catch (error) {
    throw broken(name, error);
  }
  return heldTree(name, files, (entry) => unpack(name, entry));
}

async function unpack(zip: string, entry: FileEntry): Promise<Blob> {
  const { filename, uncompressedSize: size, compressedSize: packed } = entry;
  const refuse = (why: string): InputError =>
    new InputError(`zip: ${filename} of ${zip} ${why}; unpack it yourself if you trust it`);
  if (entry.encrypted) throw refuse('is encrypted');
  if (size > largestFile) throw refuse(`takes ${size} bytes, more than ${largestFile}`);
  if (size > harmless && size > packed * greatestRatio)
    throw refuse(`grows from ${packed} to ${size} bytes, as a zip bomb does`);
  const pieces: BlobPart[] = [];
  let came = 0;
  const sink = new WritableStream<Uint8Array<ArrayBuffer>>({
    write(piece) {
      came += piece.length;
      if (came > size) throw refuse(`holds more than the ${size} bytes that it says`);
      pieces.push(piece.slice());
    },
  });
  try {
    await entry.getData(sink, { checkCrc32: true, useWebWorkers: false });
  } catch (error) {
    throw error instanceof InputError ? error : broken(`${filename} of ${zip}`, error);
  }
  return new Blob(pieces);
}

function broken(what: string, error: unknown): InputError {
  return new InputError(`zip: ${what} cannot be read: ${messageOf(error)}; is it a whole zip?`, {
    cause: error,
  });
}
