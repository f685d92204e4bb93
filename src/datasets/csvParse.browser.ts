import type { Options } from 'csv-parse';
import { feed } from './csvParse.js';
import type { CsvDialect, CsvParser, OnRecord } from './csvParse.js';

type Bytes = Uint8Array<ArrayBufferLike>;

/** The records of bytes that hold no more than them. */
export async function parseRecords(bytes: Uint8Array, dialect: CsvDialect): Promise<string[][]> {
  const { parse } = await import('csv-parse/browser/esm/sync');
  return parse(bytes, dialect);
}

/** The first record of bytes that may end within another, and where it ends. */
export async function parseFirst(
  bytes: Uint8Array,
  dialect: CsvDialect,
): Promise<{ cells: string[] | undefined; end: number }> {
  const { parse } = await import('csv-parse/browser/esm/sync');
  let end = 0;
  const note = (cells: string[], info: { bytes: number }) => ((end = info.bytes), cells);
  const records: string[][] = parse(bytes, { ...dialect, to: 1, on_record: note });
  return { cells: records[0], end };
}

/** A parser of a whole file, in which no record is longer than `longest` bytes. */
export async function openParser(
  dialect: CsvDialect,
  longest: number,
  visit: OnRecord,
): Promise<CsvParser> {
  const { parse } = await import('csv-parse/browser/esm');
  const asBuffer = await bufferView();
  const stream = parse({
    ...dialect,
    max_record_size: longest,
    on_record: (cells: string[], { bytes, empty_lines: emptyLines }) => {
      visit(cells, { bytes, emptyLines });
      return null;
    },
  });
  const { write, end } = feed(stream);
  return { write: (bytes) => write(asBuffer(bytes)), end };
}

let view: Promise<(bytes: Bytes) => Bytes> | undefined;

/**
 * Bytes as the Buffer that csv-parse's browser build carries and insists on, and does not export: a
 * cell that is left as bytes is one.
 */
function bufferView(): Promise<(bytes: Bytes) => Bytes> {
  view ??= (async () => {
    const { parse } = await import('csv-parse/browser/esm');
    const cell = await new Promise<Bytes>((resolve, reject) => {
      const options: Options = {
        encoding: null,
        on_record: ([bytes]) => (resolve(bytes as never), null),
      };
      const stream = parse(options);
      stream.once('error', reject).resume();
      stream.end('x');
    });
    const Buffer = cell.constructor as unknown as {
      from(buffer: ArrayBufferLike, offset: number, length: number): Bytes;
    };
    return (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  })();
  return view;
}
