import { parse } from 'csv-parse/browser/esm/sync';

const headBytes = 256 * 1024;
const delimiters = [',', ';', '\t', '|'];

/** Whether a file is a table by its name; systems put hidden ones beside those of people. */
export const isTable = (path: string): boolean =>
  /\.(csv|tsv)$/i.test(path) && !/(^|\/)(\.|__MACOSX\/)/.test(path);

/** The first row of a table, and what separates its cells: what gives it most of them. */
export async function headerOf(table: Blob): Promise<{ header: string[]; delimiter: string }> {
  const text = await table.slice(0, headBytes).text();
  const rows = delimiters.map((delimiter) => ({ delimiter, header: firstRow(text, delimiter) }));
  return rows.reduce((best, row) => (row.header.length > best.header.length ? row : best));
}

function firstRow(text: string, delimiter: string): string[] {
  try {
    const [first] = parse(text, {
      delimiter,
      bom: true,
      to: 1,
      relax_quotes: true,
      relax_column_count: true,
    });
    return (first as string[] | undefined) ?? [];
  } catch {
    return []; // a quote that the head does not close: the library says where
  }
}
