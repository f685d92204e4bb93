import { InputError } from '../errors.js';
import type { FileSource } from '../files/fileTree.js';
import { hex } from '../files/hash.js';
import { refuseUnknown } from '../schema.js';
import type { RoleOptions, Roles } from './csvColumns.js';
import { findRoles, listed, quoted } from './csvColumns.js';
import type { CsvFile } from './csvFile.js';
import { KeySet } from './csvHash.js';
import type { CsvImages } from './csvImages.js';
import type { RowIndex } from './csvIndex.js';
import type { CsvLocation, OpenedCsv } from './csvTree.js';
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
  readonly exclude?: CsvLocation | readonly CsvLocation[];
  /**
   * What holds the pictures, and the CSV file itself where its path names a file in it: a zip, the
   * files of a folder picker, Blobs by their paths, a directory's handle, a folder's path or address.
   * Default: the folder of the CSV file.
   */
  readonly files?: FileSource;
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
  readonly images: CsvImages;
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
  readonly #images: CsvImages;

  private constructor({ name, file, columns, roles, rows, policy, fingerprint, images }: Opened) {
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
    this.#images = images;
  }

  /**
   * Opens a CSV file and judges every row of it.
   *
   * @param where its path (in a browser, an address or a path of the origin's private file system),
   * its address, or the file itself.
   * @throws InputError for a file that is absent, empty, not UTF-8 or broken, a column that is
   * missing or could be several, and, under the policy `error`, for the first bad row, with its
   * row, line, column and file.
   */
  static async open(where: CsvLocation, options: CsvOptions = {}): Promise<CsvDataset> {
    checkOptions(options);
    const { openCsv } = await import('./csvOpen.js');
    const { CsvFile } = await import('./csvFile.js');
    const { sha256 } = await import('../files/hash.node.js');
    const policy = options.onBadRow ?? 'error';
    const opened = await openCsv(where, options.files);
    const file = new CsvFile(opened.source, options.delimiter ?? ',');
    const { name } = file;
    const columns = await file.header();
    const roles = findRoles(columns, options, name);
    const images = opened.images(options.allowOutside ?? false);
    const rows = new RowCollector({
      name,
      columns,
      roles,
      policy,
      labels: options.labels,
      exclude: await excludedKeys(opened, roles, options),
      images,
    });
    const hash = sha256().update(await file.scan((record) => rows.visit(record)));
    rows.finish();
    hash.update(JSON.stringify([roles, rows.labels]));
    for (const part of rows.index.identity()) hash.update(part);
    const fingerprint = hex(hash.digest());
    return new CsvDataset({ name, file, columns, roles, rows, policy, fingerprint, images });
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
      ...(hasImage && { image: this.#images.source(cells[this.columns.indexOf(image!)]!) }),
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
  opened: OpenedCsv,
  roles: Roles,
  { exclude = [], delimiter = ',', allowOutside = false }: CsvOptions,
): Promise<KeySet> {
  const { CsvFile } = await import('./csvFile.js');
  const keys = new KeySet();
  for (const where of Array.isArray(exclude) ? (exclude as readonly CsvLocation[]) : [exclude]) {
    const { source, images } = await opened.other(where as CsvLocation);
    const other = new CsvFile(source, delimiter);
    const columns = await other.header();
    const named = { text: roles.text ?? null, image: roles.image ?? null, label: null };
    findRoles(columns, named, other.name);
    const text = columns.indexOf(roles.text!);
    const image = columns.indexOf(roles.image!);
    const pictures = images(allowOutside);
    await other.scan(({ cells }) => {
      if (cells.length === columns.length) keys.add(rowKey(cells[text], cells[image], pictures));
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

const optionNames = {
  text: true,
  image: true,
  label: true,
  exclude: true,
  files: true,
  labels: true,
  onBadRow: true,
  allowOutside: true,
  delimiter: true,
} as const satisfies Record<keyof CsvOptions, true>;

function checkOptions(options: CsvOptions): void {
  refuseUnknown('csv', options, optionNames);
  const { onBadRow = 'error', labels, delimiter = ',' } = options;
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
