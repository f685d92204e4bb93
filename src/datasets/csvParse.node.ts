import { feed } from './csvParse.js';
import type { CsvDialect, CsvParser, OnRecord } from './csvParse.js';

/** The records of bytes that hold no more than them. */
export async function parseRecords(bytes: Uint8Array, dialect: CsvDialect): Promise<string[][]> {
  const { parse } = await import('csv-parse/sync');
  return parse(bytes, dialect);
}

/** The first record of bytes that may end within another, and where it ends. */
export async function parseFirst(
  bytes: Uint8Array,
  dialect: CsvDialect,
): Promise<{ cells: string[] | undefined; end: number }> {
  const { parse } = await import('csv-parse/sync');
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
  const { parse } = await import('csv-parse');
  const stream = parse({
    ...dialect,
    max_record_size: longest,
    on_record: (cells: string[], { bytes, empty_lines: emptyLines }) => {
      visit(cells, { bytes, emptyLines });
      return null;
    },
  });
  return feed(stream);
}
