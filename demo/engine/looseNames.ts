import { CsvDataset } from 'bertresnet';
import type { Columns, PickedFile } from '../protocol.js';
import { headerOf } from './tableHead.js';

/**
 * Pictures under the paths by which a table names them, where they were dropped without their folders: `img/a.jpg` is
 * then `a.jpg`, if there is one of that name alone. Nothing where the table cannot be read: opening it says why.
 */
export async function looseNames(
  table: PickedFile,
  files: readonly PickedFile[],
  columns?: Columns,
): Promise<Map<string, Blob>> {
  const byName = new Map<string, Blob | undefined>();
  for (const { path, file } of files)
    byName.set(lastPart(path), byName.has(lastPart(path)) ? undefined : file);
  const folder = table.path.slice(0, table.path.lastIndexOf('/') + 1);
  const paths = new Set(files.map(({ path }) => path));
  const found = new Map<string, Blob>();
  for (const cell of await pictureCells(table, columns)) {
    const [path, file] = [folder + cell, byName.get(lastPart(cell))];
    if (file !== undefined && !paths.has(path)) found.set(path, file);
  }
  return found;
}

/** The cells of the column of pictures. */
async function pictureCells({ file }: PickedFile, columns?: Columns): Promise<string[]> {
  try {
    const { delimiter } = await headerOf(file);
    const options = { delimiter, onBadRow: 'missing', label: null } as const;
    const image =
      columns?.image ??
      (await CsvDataset.open(file, { ...options, text: columns?.text })).roles.image;
    if (image === undefined) return [];
    const cells = await CsvDataset.open(file, { ...options, text: image, image: null });
    const rows = await cells.examples(Array.from({ length: cells.size }, (_, i) => i));
    return rows.flatMap(({ text }) => (text === undefined ? [] : [text]));
  } catch {
    return [];
  }
}

const lastPart = (path: string): string =>
  path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
