import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, messageOf } from '../errors.js';
import { addressTree } from '../files/fileTree.js';
import { changed } from './csvFile.js';
import { TreeImages } from './csvImages.js';
import type { CsvImages } from './csvImages.js';
import { ImageFolder } from './csvImages.node.js';
import type { CsvSource } from './csvSource.js';
import { openBlob, openInTree } from './csvTree.js';
import type { OpenedCsv } from './csvTree.js';

const chunkBytes = 1024 * 1024;

/** Opens a file by its path or address. @throws InputError where it is no readable, regular file */
export async function openCsvPath(where: string | URL): Promise<OpenedCsv> {
  if (isAddress(where)) {
    const { href } = new URL('.', where);
    const path = new URL(where).pathname.split('/').at(-1)!;
    const opened = await openInTree(addressTree(new URL(href)), decodeURIComponent(path));
    const other: OpenedCsv['other'] = async (another) =>
      another instanceof Blob || !isAddress(another) ? opened.other(another) : openCsvPath(another);
    return { ...opened, other };
  }
  const path = where instanceof URL ? fileURLToPath(where) : where;
  const source = await CsvPath.open(path);
  const folder = await realpath(dirname(path));
  const images = (allowOutside: boolean) => new ImageFolder(folder, allowOutside);
  return {
    source,
    images,
    other: async (another) => {
      if (another instanceof Blob) return openBlob(another, images);
      return openCsvPath(another instanceof URL ? another : findFile(another, folder));
    },
  };
}

/** The pictures of a folder, or those below an address. */
export async function openImageFolder(
  where: string | URL,
): Promise<(allowOutside: boolean) => CsvImages> {
  if (isAddress(where)) {
    const tree = addressTree(new URL(where));
    return (allowOutside) => new TreeImages(tree, [''], allowOutside);
  }
  const path = where instanceof URL ? fileURLToPath(where) : where;
  const folder = await realpath(path).catch(() => {
    throw new InputError(`csv: files: there is no folder ${path}`);
  });
  return (allowOutside) => new ImageFolder(folder, allowOutside);
}

function isAddress(where: string | URL): boolean {
  return /^https?:/i.test(String(where));
}

/** The path itself where it exists, else the path of that name in a folder where that exists. */
function findFile(path: string, folder: string): string {
  const beside = resolve(folder, path);
  return !existsSync(path) && existsSync(beside) ? beside : path;
}

/** A file that stays as it was when it was opened. */
class CsvPath implements CsvSource {
  /** The path as it was given, which messages call it by. */
  readonly name: string;
  readonly #absolute: string;
  readonly #identity: string;

  private constructor(name: string, identity: string) {
    this.name = name;
    this.#absolute = resolve(name);
    this.#identity = identity;
  }

  static async open(path: string): Promise<CsvPath> {
    const descriptor = openNow(path, path);
    try {
      const stats = fstatSync(descriptor, { bigint: true });
      if (stats.isFile()) return new CsvPath(path, identityOf(stats));
      throw new InputError(`csv: ${path} is no file; it is read twice, so save it as one first`);
    } finally {
      closeSync(descriptor);
    }
  }

  async *stream(begin: number): AsyncGenerator<Uint8Array> {
    const handle = await open(this.#absolute, 'r').catch((error: unknown) => {
      throw unreadable(error, this.name);
    });
    try {
      for (let at = begin; ;) {
        const { bytesRead, buffer } = await handle.read(new Uint8Array(chunkBytes), {
          position: at,
        });
        if (bytesRead === 0) break;
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
      this.#refuseChanged(await handle.stat({ bigint: true }));
    } finally {
      await handle.close();
    }
  }

  read(parts: readonly (readonly [begin: number, end: number])[]): Uint8Array[] {
    const descriptor = openNow(this.#absolute, this.name);
    try {
      this.#refuseChanged(fstatSync(descriptor, { bigint: true }));
      return parts.map(([begin, end]) => readNow(descriptor, begin, end));
    } finally {
      closeSync(descriptor);
    }
  }

  #refuseChanged(stats: BigIntStats): void {
    if (identityOf(stats) !== this.#identity) throw changed(this.name);
  }
}

function readNow(descriptor: number, begin: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - begin);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, begin));
}

function openNow(path: string, name: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw unreadable(error, name);
  }
}

function unreadable(error: unknown, name: string): InputError {
  const { code } = error as { code?: string };
  if (code === 'ENOENT') return new InputError(`csv: there is no file ${name}`);
  return new InputError(`csv: ${name} cannot be read: ${messageOf(error)}`);
}

function identityOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`;
}
