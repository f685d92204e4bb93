import { InputError } from '../errors.js';
import { hex } from '../files/hash.js';
import { sha256 } from '../files/hash.node.js';
import { dialectOf } from './csvParse.js';
import type { CsvDialect } from './csvParse.js';
import { openParser, parseFirst, parseRecords } from './csvParse.node.js';
import { Place } from './csvPlace.js';
import type { ScannedRecord } from './csvPlace.js';
import type { CsvSource } from './csvSource.js';

const blockBytes = 16 * 1024;
const cachedBlocks = 128;
const headerBytes = 1024 * 1024;
/** A record longer than this is taken for a quote that was never closed. */
const longestRecord = 16 * 1024 * 1024;

/** A CSV file that is read in two ways: once from end to end, then records by their place. */
export class CsvFile {
  readonly #source: CsvSource;
  readonly #dialect: CsvDialect;
  /** Blocks of the file, the least recently used first. */
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(source: CsvSource, delimiter: string) {
    this.#source = source;
    this.#dialect = dialectOf(delimiter);
  }

  /** What messages call it. */
  get name(): string {
    return this.#source.name;
  }

  /**
   * The cells of the header row.
   *
   * @throws InputError for an empty file, and for a header that is broken or no UTF-8.
   */
  async header(): Promise<string[]> {
    const start = await this.#skipByteOrderMark();
    const [bytes] = await this.#source.read([[start, start + headerBytes]]);
    const { cells, end } = await parseFirst(bytes!, this.#dialect).catch((error: unknown) => {
      throw this.#explained(error, new Place(0));
    });
    if (cells === undefined) {
      throw new InputError(`csv: ${this.name} is empty; it needs a header row and rows`);
    }
    if (!isUtf8(bytes!.subarray(0, end))) {
      throw new InputError(`csv: the header of ${this.name} is not valid UTF-8`);
    }
    return cells;
  }

  /**
   * Streams through the file and hands over every record, the header row among them.
   *
   * @returns the SHA-256 of the file's bytes, in hexadecimal.
   * @throws InputError at an encoding other than UTF-8, a quote that is never closed or stands
   * where none may.
   */
  async scan(visit: (record: ScannedRecord) => void): Promise<string> {
    const base = await this.#skipByteOrderMark();
    const hash = sha256();
    const place = new Place(base);
    const window = new Window(base);
    const parser = await openParser(
      this.#dialect,
      longestRecord,
      (cells, { bytes, emptyLines }) => {
        const { start, end, line } = place.next(cells, base + bytes, emptyLines);
        visit({ cells, start, end, line, isUtf8: () => isUtf8(window.bytes(start, end)) });
      },
    );
    try {
      for await (const chunk of this.#source.stream(base)) {
        hash.update(chunk);
        window.add(chunk, place.start);
        await parser.write(chunk);
      }
      await parser.end();
    } catch (error) {
      throw this.#explained(error, place);
    }
    return hex(hash.digest());
  }

  /** Reads records by their place, in the order asked for: `[start, end)` in bytes for each. */
  async records(places: readonly { start: number; end: number }[]): Promise<string[][]> {
    if (places.length === 0) return [];
    const reading = this.#blocksOf(places);
    const blocks = reading instanceof Promise ? await reading : reading;
    const pieces = places.flatMap((place) => [...this.#pieces(blocks, place), newline]);
    const records = await parseRecords(concatenated(pieces), this.#dialect);
    if (records.length === places.length) return records;
    throw new Error(
      `internal: csv: ${this.name} gave ${records.length} records where ${places.length} were indexed`,
    );
  }

  /** The blocks in which these places lie: those that are cached, and the others read. */
  #blocksOf(places: readonly { start: number; end: number }[]): Blocks | Promise<Blocks> {
    const needed = new Set<number>();
    for (const { start, end } of places)
      for (let at = blockOf(start); at <= blockOf(end - 1); at++) needed.add(at);
    const missing = [...needed].filter((index) => !this.#blocks.has(index));
    const blocks = new Map([...needed].map((index) => [index, this.#blocks.get(index)!]));
    const keep = (read: readonly Uint8Array[]): Blocks => {
      missing.forEach((index, i) => blocks.set(index, read[i]!));
      this.#remember(blocks);
      return blocks;
    };
    const parts = missing.map((index) => [index * blockBytes, (index + 1) * blockBytes] as const);
    const read = this.#source.read(parts);
    return read instanceof Promise ? read.then(keep) : keep(read);
  }

  #remember(blocks: Blocks): void {
    for (const [index, block] of blocks) {
      this.#blocks.delete(index);
      this.#blocks.set(index, block);
    }
    for (const index of this.#blocks.keys()) {
      if (this.#blocks.size <= cachedBlocks) break;
      this.#blocks.delete(index);
    }
  }

  #pieces(blocks: Blocks, { start, end }: { start: number; end: number }): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = start; at < end;) {
      const index = blockOf(at);
      const from = index * blockBytes;
      const piece = blocks.get(index)!.subarray(at - from, end - from);
      if (piece.length === 0) throw changed(this.name);
      pieces.push(piece);
      at += piece.length;
    }
    return pieces;
  }

  async #skipByteOrderMark(): Promise<number> {
    const [mark] = await this.#source.read([[0, 3]]);
    const [first, second, third] = mark!;
    if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
      throw new InputError(`csv: ${this.name} is UTF-16; save it as UTF-8`);
    }
    return first === 0xef && second === 0xbb && third === 0xbf ? 3 : 0;
  }

  #explained(error: unknown, place: Place): unknown {
    const code = (error as { code?: unknown } | undefined)?.code;
    const problem = typeof code === 'string' ? structureProblems[code] : undefined;
    if (problem === undefined) return error;
    const row = place.row === 0 ? 'header' : `row ${place.row}`;
    return new InputError(`csv: ${this.name} ${row} (line ${place.line}): ${problem}`);
  }
}

type Blocks = Map<number, Uint8Array>;

const newline = new Uint8Array([0x0a]);

function blockOf(at: number): number {
  return Math.floor(at / blockBytes);
}

/** The last pieces of a file that streams past, back to the record under way. */
class Window {
  #start: number;
  #pieces: Uint8Array[] = [];

  constructor(start: number) {
    this.#start = start;
  }

  /** Adds a piece, and drops those that end before `from`. */
  add(piece: Uint8Array, from: number): void {
    while (this.#pieces.length > 0 && this.#start + this.#pieces[0]!.length <= from)
      this.#start += this.#pieces.shift()!.length;
    this.#pieces.push(piece);
  }

  bytes(start: number, end: number): Uint8Array {
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : concatenated(this.#pieces);
    return whole.subarray(start - this.#start, end - this.#start);
  }
}

function concatenated(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
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

/** What is said of a file that is not the one that was opened. */
export function changed(name: string): InputError {
  return new InputError(`csv: ${name} has changed since it was opened; open it again`);
}
