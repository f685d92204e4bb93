import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { open, realpath } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { InputError, messageOf } from '../errors.js';
import { Place } from './csvPlace.js';
import type { ScannedRecord } from './csvPlace.js';

const blockBytes = 16 * 1024;
const cachedBlocks = 128;
const chunkBytes = 1024 * 1024;
/** A record longer than this is taken for a quote that was never closed. */
const longestRecord = 16 * 1024 * 1024;

/** A CSV file that is read in two ways: once from end to end, then records by their place. */
export class CsvFile {
  /** The path as it was given, which messages call it by. */
  readonly path: string;
  /** The folder of the file, without symbolic links. */
  readonly folder: string;
  readonly #absolute: string;
  readonly #delimiter: string;
  readonly #identity: string;
  readonly #blocks = new Map<number, Uint8Array>();

  private constructor(path: string, folder: string, delimiter: string, identity: string) {
    this.path = path;
    this.#absolute = resolve(path);
    this.folder = folder;
    this.#delimiter = delimiter;
    this.#identity = identity;
  }

  /** @throws InputError where the path is no readable, regular file. */
  static async open(path: string, delimiter: string): Promise<CsvFile> {
    const handle = await openFile(path, path);
    try {
      const stats = await handle.stat({ bigint: true });
      if (!stats.isFile()) {
        throw new InputError(`csv: ${path} is no file; it is read twice, so save it as one first`);
      }
      const folder = await realpath(dirname(path));
      return new CsvFile(path, folder, delimiter, identityOf(stats));
    } finally {
      await handle.close();
    }
  }

  /**
   * The cells of the header row.
   *
   * @throws InputError for an empty file, and for a header that is broken or no UTF-8.
   */
  async header(): Promise<string[]> {
    const handle = await openFile(this.#absolute, this.path);
    try {
      const start = await this.#skipByteOrderMark(handle);
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(chunkBytes),
        0,
        chunkBytes,
        start,
      );
      return await this.#parseHeader(buffer.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  }

  async #parseHeader(bytes: Uint8Array): Promise<string[]> {
    const { parse } = await import('csv-parse/sync');
    let end = 0;
    let records: string[][];
    try {
      const onRecord = (cells: string[], info: { bytes: number }) => ((end = info.bytes), cells);
      records = parse(bytes, { ...this.#dialect(), to: 1, on_record: onRecord });
    } catch (error) {
      throw this.#explained(error, new Place(0));
    }
    if (records.length === 0) {
      throw new InputError(`csv: ${this.path} is empty; it needs a header row and rows`);
    }
    if (!isUtf8(bytes.subarray(0, end))) {
      throw new InputError(`csv: the header of ${this.path} is not valid UTF-8`);
    }
    return records[0]!;
  }

  /**
   * Streams through the file and hands over every record, the header row among them.
   *
   * @returns the SHA-256 of the file's bytes, in hexadecimal.
   * @throws InputError at an encoding other than UTF-8, a quote that is never closed or stands
   * where none may.
   */
  async scan(visit: (record: ScannedRecord) => void): Promise<string> {
    const handle = await openFile(this.#absolute, this.path);
    try {
      const start = await this.#skipByteOrderMark(handle);
      const hash = createHash('sha256');
      await this.#stream(handle, start, (chunk) => hash.update(chunk), visit);
      this.#refuseChanged(await handle.stat({ bigint: true }));
      return hash.digest('hex');
    } finally {
      await handle.close();
    }
  }

  async #stream(
    handle: FileHandle,
    base: number,
    onChunk: (chunk: Uint8Array) => void,
    visit: (record: ScannedRecord) => void,
  ): Promise<void> {
    const { parse } = await import('csv-parse');
    const place = new Place(base);
    const parser = parse({
      ...this.#dialect(),
      max_record_size: longestRecord,
      on_record: (cells: string[], info) => {
        const { start, end, line } = place.next(cells, base + info.bytes, info.empty_lines);
        visit({ cells, start, end, line, isUtf8: () => isUtf8(readNow(handle.fd, start, end)) });
        return null;
      },
    });
    const file = handle.createReadStream({
      start: base,
      autoClose: false,
      highWaterMark: chunkBytes,
    });
    file.on('data', (chunk) => onChunk(chunk as Buffer));
    try {
      await pipeline(file, parser.resume());
    } catch (error) {
      throw this.#explained(error, place);
    }
  }

  /**
   * Reads records by their place, in the order asked for: `[start, end)` in bytes for each.
   *
   * The bytes are read within the call: rows at random would take a turn of the event loop each,
   * and an engine that holds the loop grants one a step.
   */
  async records(places: readonly { start: number; end: number }[]): Promise<string[][]> {
    if (places.length === 0) return [];
    return this.#parse(this.#readNow(places), places.length);
  }

  /** The bytes of records, a line each. */
  #readNow(places: readonly { start: number; end: number }[]): Uint8Array {
    const fd = openNow(this.#absolute, this.path);
    try {
      this.#refuseChanged(fstatSync(fd, { bigint: true }));
      const newline = Buffer.from('\n');
      const pieces = places.flatMap(({ start, end }) => [...this.#bytes(fd, start, end), newline]);
      return Buffer.concat(pieces);
    } finally {
      closeSync(fd);
    }
  }

  async #parse(bytes: Uint8Array, count: number): Promise<string[][]> {
    const { parse } = await import('csv-parse/sync');
    const records = parse(bytes, this.#dialect());
    if (records.length !== count) {
      throw new Error(
        `internal: csv: ${this.path} gave ${records.length} records where ${count} were indexed`,
      );
    }
    return records;
  }

  /**
   * RFC 4180, with any of the three line ends; empty lines are no records, ragged ones are judged
   * by the caller.
   */
  #dialect() {
    return {
      bom: false,
      delimiter: this.#delimiter,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
    };
  }

  #bytes(fd: number, start: number, end: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = start; at < end;) {
      const index = Math.floor(at / blockBytes);
      const block = this.#block(fd, index);
      const piece = block.subarray(at - index * blockBytes, end - index * blockBytes);
      if (piece.length === 0) throw this.#changed();
      pieces.push(piece);
      at += piece.length;
    }
    return pieces;
  }

  /** A block of the file, from the least recently used cache of them where it is there. */
  #block(fd: number, index: number): Uint8Array {
    const cached = this.#blocks.get(index);
    const block = cached ?? readBlock(fd, index);
    this.#blocks.delete(index);
    this.#blocks.set(index, block);
    if (this.#blocks.size > cachedBlocks) this.#blocks.delete(this.#blocks.keys().next().value!);
    return block;
  }

  async #skipByteOrderMark(handle: FileHandle): Promise<number> {
    const { buffer } = await handle.read(Buffer.alloc(3), 0, 3, 0);
    if ((buffer[0] === 0xff && buffer[1] === 0xfe) || (buffer[0] === 0xfe && buffer[1] === 0xff)) {
      throw new InputError(`csv: ${this.path} is UTF-16; save it as UTF-8`);
    }
    return buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf ? 3 : 0;
  }

  #refuseChanged(stats: BigIntStats): void {
    if (identityOf(stats) === this.#identity) return;
    this.#blocks.clear();
    throw this.#changed();
  }

  #changed(): InputError {
    return new InputError(`csv: ${this.path} has changed since it was opened; open it again`);
  }

  #explained(error: unknown, place: Place): unknown {
    const code = (error as { code?: unknown }).code;
    const problem = typeof code === 'string' ? structureProblems[code] : undefined;
    if (problem === undefined) return error;
    const row = place.row === 0 ? 'header' : `row ${place.row}`;
    return new InputError(`csv: ${this.path} ${row} (line ${place.line}): ${problem}`);
  }
}

const structureProblems: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED:
    'a quoted cell begins that is never closed; close the quote, or double it where it is meant',
  CSV_MAX_RECORD_SIZE:
    `the row is longer than ${longestRecord / 2 ** 20} MiB, ` +
    'as after a quote that is never closed',
  INVALID_OPENING_QUOTE:
    'a quote stands inside a cell that is not quoted; quote the cell and double the quote',
  CSV_INVALID_CLOSING_QUOTE:
    'text follows the quote that closes a cell; double a quote that is part of the text',
};

function readNow(fd: number, start: number, end: number): Uint8Array {
  const bytes = Buffer.alloc(end - start);
  readSync(fd, bytes, 0, bytes.length, start);
  return bytes;
}

function readBlock(fd: number, index: number): Uint8Array {
  const block = Buffer.allocUnsafeSlow(blockBytes);
  return block.subarray(0, readSync(fd, block, 0, blockBytes, index * blockBytes));
}

async function openFile(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw unreadable(error, name);
  }
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

/** The path itself where it exists, else the path of that name in a folder where that exists. */
export function findFile(path: string, folder: string): string {
  const beside = resolve(folder, path);
  return !existsSync(path) && existsSync(beside) ? beside : path;
}

/** A SHA-256 of text and numbers, in hexadecimal. */
export function digest(
  ...parts: readonly (string | Uint8Array | Uint32Array | Int32Array | Float64Array)[]
): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
