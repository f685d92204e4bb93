import { InputError } from '../errors.js';
import type { CsvFile } from './csv.node.js';
import type { RoleOptions, Roles } from './csvColumns.js';
import { findRoles, listed, quoted } from './csvColumns.js';
import { KeySet } from './csvHash.js';
import type { RowIndex } from './csvIndex.js';
import { placeOf, RowCollector, rowKey } from './csvRows.js';
import type { BadRowPolicy, Dataset, Example, Part } from './example.js';

/**
 * How a CSV file is read. `text`, `image` and `label` name its columns; one that is not given is
 * looked for by its usual names (text, sentence, tweet ...; image, img_path, file ...; label, tag,
 * class ...), and null means none.
 */
export interface CsvOptions extends RoleOptions {
  /**
   * Other CSV files (with the same columns): a row whose text and picture both stand in one of them
   * is left out. A path that does not exist as given is looked for beside the CSV file.
   */
  readonly exclude?: string | readonly string[];
  /** The labels in the order of their indices; by default those that occur, sorted. */
  readonly labels?: readonly string[];
  /**
   * What becomes of a row with an empty cell, a missing picture, an unknown label, too few or too
   * many cells, or bytes that are no UTF-8 (default `error`). Under `missing` a row without its
   * text or without its picture is kept; one with neither, with no label, ragged or garbled is left
   * out and counted.
   */
  readonly onBadRow?: BadRowPolicy;
  /** Lets pictures lie outside the CSV file's folder (default false). */
  readonly allowOutside?: boolean;
  /** What separates the cells (default a comma). */
  readonly delimiter?: string;
}

/** What was found out about a file when it was opened. */
interface Opened {
  readonly name: string;
  readonly file: CsvFile;
  readonly columns: readonly string[];
  readonly roles: Roles;
  readonly rows: RowCollector;
  readonly policy: BadRowPolicy;
  readonly fingerprint: string;
  readonly resolveImage: (cell: string) => string;
}

/**
 * Rows of text and pictures from a CSV file (RFC 4180 in UTF-8, with a header row).
 *
 * The file is read through once when it is opened, and every row judged; of each row only its place
 * in the file and some numbers are kept, 33 bytes, and its cells are read again when they are
 * needed. The file must not change in between. Paths of pictures are relative to the CSV file and
 * may not leave its folder.
 */
export class CsvDataset implements Dataset {
  readonly name: string;
  readonly labels: readonly string[];
  /** The header row. */
  readonly columns: readonly string[];
  /** The columns that hold the text, the picture and the label. */
  readonly roles: Roles;
  readonly onBadRow: BadRowPolicy;
  /** How many rows were left out because they stand in an excluded file. */
  readonly excluded: number;
  /** How many rows were left out because they could not be used. */
  readonly skipped: number;
  /** How many rows were kept without their text or without their picture. */
  readonly incomplete: number;
  /** Why rows were left out or are incomplete, and how many: `{ 'missing image': 3 }`. */
  readonly reasons: Readonly<Record<string, number>>;
  /** The number of rows of each label. */
  readonly labelCounts: readonly number[];
  /** A hash of the file's content, of its columns and labels, and of which rows are used. */
  readonly fingerprint: string;
  readonly #index: RowIndex;
  readonly #file: CsvFile;
  readonly #resolveImage: (cell: string) => string;

  private constructor({
    name,
    file,
    columns,
    roles,
    rows,
    policy,
    fingerprint,
    resolveImage,
  }: Opened) {
    this.name = name;
    this.labels = rows.labels;
    this.columns = columns;
    this.roles = roles;
    this.onBadRow = policy;
    this.excluded = rows.excluded;
    this.skipped = rows.skipped;
    this.incomplete = rows.incomplete;
    this.reasons = rows.reasons;
    this.labelCounts = countLabels(rows.index, rows.labels.length);
    this.fingerprint = fingerprint;
    this.#index = rows.index;
    this.#file = file;
    this.#resolveImage = resolveImage;
  }

  /**
   * Opens a CSV file and judges every row of it.
   *
   * @throws InputError for a file that is absent, empty, not UTF-8 or broken, a column that is
   * missing or could be several, and, under the policy `error`, for the first bad row, with its
   * row, line, column and file.
   */
  static async open(path: string, options: CsvOptions = {}): Promise<CsvDataset> {
    checkOptions(options);
    const { CsvFile, digest } = await import('./csv.node.js');
    const { ImageFolder, resolveImage } = await import('./csvImages.node.js');
    const policy = options.onBadRow ?? 'error';
    const file = await CsvFile.open(path, options.delimiter ?? ',');
    const columns = await file.header();
    const roles = findRoles(columns, options, path);
    const resolve = (cell: string) => resolveImage(file.folder, cell);
    const rows = new RowCollector({
      name: path,
      columns,
      roles,
      policy,
      labels: options.labels,
      exclude: await excludedKeys(file, roles, options),
      images: new ImageFolder(file.folder, options.allowOutside ?? false),
      resolveImage: resolve,
    });
    const hash = await file.scan((record) => rows.visit(record));
    rows.finish();
    const fingerprint = digest(
      hash,
      JSON.stringify([roles, rows.labels]),
      ...rows.index.identity(),
    );
    return new CsvDataset({
      name: path,
      file,
      columns,
      roles,
      rows,
      policy,
      fingerprint,
      resolveImage: resolve,
    });
  }

  get size(): number {
    return this.#index.size;
  }

  async examples(positions: readonly number[]): Promise<Example[]> {
    const records = await this.rows(positions);
    return records.map((cells, i) => this.#example(cells, positions[i]!));
  }

  /** The cells of rows as they stand in the file, in the order of `columns`. */
  async rows(positions: readonly number[]): Promise<string[][]> {
    for (const position of positions) this.#check(position);
    return this.#file.records(positions.map((position) => this.#index.at(position)));
  }

  describe(position: number, part?: Part): string {
    this.#check(position);
    const { record, line } = this.#index.at(position);
    return placeOf(this.name, record, line, part && this.roles[part]);
  }

  /**
   * The number of a row in the file, from 1, the header not counted: rows that were left out leave
   * gaps.
   */
  rowNumber(position: number): number {
    this.#check(position);
    return this.#index.at(position).record;
  }

  labelOf(position: number): number {
    this.#check(position);
    return this.#index.label(position);
  }

  keyOf(position: number): number {
    this.#check(position);
    return this.#index.key(position);
  }

  #example(cells: readonly string[], position: number): Example {
    const { hasText, hasImage, label } = this.#index.at(position);
    const { text, image } = this.roles;
    return {
      ...(hasText && { text: cells[this.columns.indexOf(text!)]! }),
      ...(hasImage && { image: this.#resolveImage(cells[this.columns.indexOf(image!)]!) }),
      ...(label >= 0 && { label }),
    };
  }

  #check(position: number): void {
    if (Number.isInteger(position) && position >= 0 && position < this.size) return;
    throw new InputError(
      `csv: ${this.name} has rows at positions 0 to ${this.size - 1}, got ${position}`,
    );
  }
}

/** The keys of the rows of other files. */
async function excludedKeys(
  file: CsvFile,
  roles: Roles,
  { exclude = [], delimiter = ',' }: CsvOptions,
): Promise<KeySet> {
  const { CsvFile, findFile } = await import('./csv.node.js');
  const { resolveImage } = await import('./csvImages.node.js');
  const keys = new KeySet();
  for (const path of typeof exclude === 'string' ? [exclude] : exclude) {
    const other = await CsvFile.open(findFile(path, file.folder), delimiter);
    const columns = await other.header();
    findRoles(columns, { text: roles.text ?? null, image: roles.image ?? null, label: null }, path);
    const text = columns.indexOf(roles.text!);
    const image = columns.indexOf(roles.image!);
    await other.scan(({ cells }) => {
      if (cells.length === columns.length) {
        keys.add(rowKey(cells[text], cells[image], (cell) => resolveImage(other.folder, cell)));
      }
    });
  }
  return keys;
}

function countLabels(index: RowIndex, count: number): number[] {
  const counts = Array.from({ length: count }, () => 0);
  for (let i = 0; i < index.size; i++) {
    const label = index.label(i);
    if (label >= 0) counts[label]!++;
  }
  return counts;
}

const policies: readonly BadRowPolicy[] = ['error', 'skip', 'missing'];

function checkOptions({ onBadRow = 'error', labels, delimiter = ',' }: CsvOptions): void {
  if (!policies.includes(onBadRow)) {
    throw new InputError(
      `csv: onBadRow must be one of ${listed(policies)}, got ${JSON.stringify(onBadRow)}`,
    );
  }
  if (delimiter.length !== 1 || /["\r\n]/.test(delimiter)) {
    throw new InputError(`csv: delimiter must be one character, got ${JSON.stringify(delimiter)}`);
  }
  if (!labels) return;
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined)
    throw new InputError(`csv: labels must differ, got ${quoted(twice)} twice`);
  if (labels.length === 0) throw new InputError('csv: labels must name a class at least, got none');
}
