/** A value that a CSV cell can hold; null and undefined leave it empty. */
export type CsvCell = string | number | bigint | boolean | null | undefined;

/** How cells are written. */
export interface CsvWriteOptions {
  /**
   * Puts an apostrophe before a text that a spreadsheet would take for a formula, so that it stays
   * text (default true). What is a number stays one: `-0.5` is written as it is.
   */
  readonly escapeFormulas?: boolean;
  /** What separates the cells (default a comma). */
  readonly delimiter?: string;
}

/**
 * First characters of a formula in a spreadsheet, the full-width forms among them (OWASP, "CSV
 * Injection").
 */
const formula = /^[=+\-@\t\r＝＋－＠]/;
const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** One record in the form of RFC 4180, with the newline that ends it. */
export function formatRecord(cells: readonly CsvCell[], options: CsvWriteOptions = {}): string {
  const written = cells.map((cell) => formatCell(cell, options));
  // An empty line would be no record at all.
  if (written.length === 1 && written[0] === '') return '""\n';
  return `${written.join(options.delimiter ?? ',')}\n`;
}

function formatCell(
  cell: CsvCell,
  { escapeFormulas = true, delimiter = ',' }: CsvWriteOptions,
): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = escapeFormulas && formula.test(cell) && !number.test(cell) ? `'${cell}` : cell;
  // A byte order mark that begins the first cell of a file would be taken for the file's own.
  const bare = !/["\r\n\uFEFF]/.test(text) && !text.includes(delimiter);
  return bare ? text : `"${text.replaceAll('"', '""')}"`;
}

/**
 * Writes a CSV file in UTF-8 without a byte order mark, lines ended by a newline. The rows may be
 * made while they are written; the file appears under its name only once it is whole.
 *
 * @throws whatever making a row throws; then no file is left behind and one that was there stays as
 * it was.
 */
export async function writeCsv(
  path: string,
  columns: readonly string[],
  rows: Iterable<readonly CsvCell[]> | AsyncIterable<readonly CsvCell[]>,
  options: CsvWriteOptions = {},
): Promise<void> {
  const { writeFileAtomic } = await import('../weights/files.node.js');
  await writeFileAtomic(path, joined(lines(columns, rows, options)));
}

async function* lines(
  columns: readonly string[],
  rows: Iterable<readonly CsvCell[]> | AsyncIterable<readonly CsvCell[]>,
  options: CsvWriteOptions,
): AsyncGenerator<string> {
  yield formatRecord(columns, options);
  for await (const row of rows) {
    if (row.length !== columns.length) {
      throw new Error(
        `internal: writeCsv: a row of ${row.length} cells under ${columns.length} columns`,
      );
    }
    yield formatRecord(row, options);
  }
}

/** Joins lines to pieces of some 64 KiB, for a system call each would be slow. */
async function* joined(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let pending: string[] = [];
  let length = 0;
  for await (const line of lines) {
    pending.push(line);
    length += line.length;
    if (length < 64 * 1024) continue;
    yield encoder.encode(pending.join(''));
    pending = [];
    length = 0;
  }
  yield encoder.encode(pending.join(''));
}
