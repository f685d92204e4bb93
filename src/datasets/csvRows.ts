import { InputError } from '../errors.js';
import { nearest } from '../nearest.js';
import { listed, quoted } from './csvColumns.js';
import type { Roles } from './csvColumns.js';
import { hashStrings } from './csvHash.js';
import type { KeySet } from './csvHash.js';
import type { CsvImages } from './csvImages.js';
import { RowIndex } from './csvIndex.js';
import type { ScannedRecord } from './csvPlace.js';
import type { BadRowPolicy, Part } from './example.js';

/** What decides which rows of a file are used. */
export interface RowRules {
  /** What the file is called in messages. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly roles: Roles;
  readonly policy: BadRowPolicy;
  /** The known labels; where absent, they are those that occur. */
  readonly labels?: readonly string[];
  /** The keys of the rows to leave out. */
  readonly exclude: KeySet;
  readonly images: CsvImages;
}

interface Problem {
  readonly part?: Part;
  /** The column, where it is not that of a part. */
  readonly column?: string;
  /** What rows are counted by. */
  readonly reason: string;
  readonly detail: string;
  /** What to do about it; otherwise another policy may help. */
  readonly advice?: string;
}

const otherPolicies = 'onBadRow (--bad-rows) says what else may become of such rows';

/** Judges the records of a file as they stream past, and indexes those that are used. */
export class RowCollector {
  readonly index = new RowIndex();
  /** Why rows could not be used whole, and how many. */
  readonly reasons: Record<string, number> = {};
  labels: readonly string[] = [];
  excluded = 0;
  skipped = 0;
  incomplete = 0;
  readonly #rules: RowRules;
  readonly #labels: Map<string, number>;
  readonly #at: Readonly<Record<Part, number>>;
  #records = -1;

  constructor(rules: RowRules) {
    this.#rules = rules;
    this.#labels = new Map(rules.labels?.map((label, i) => [label, i]));
    const at = (part: Part) => rules.columns.indexOf(rules.roles[part]!);
    this.#at = { text: at('text'), image: at('image'), label: at('label') };
  }

  /** Takes the next record; the first is the header. */
  visit(record: ScannedRecord): void {
    this.#records++;
    if (this.#records > 0) this.#readRow(record);
  }

  /** Settles the labels once every record was seen. */
  finish(): void {
    this.#refuseEmpty();
    this.index.trim();
    const found = [...this.#labels.keys()];
    this.labels = this.#rules.labels ?? found.toSorted();
    if (this.#rules.labels) return;
    const sorted = new Map(this.labels.map((label, i) => [label, i]));
    this.index.relabel(found.map((label) => sorted.get(label)!));
  }

  #readRow(record: ScannedRecord): void {
    const broken = this.#broken(record);
    if (broken) return this.#drop(record, [broken]);
    const text = this.#cell(record, 'text');
    const image = this.#cell(record, 'image');
    const key = rowKey(text, image, this.#rules.images);
    if (this.#rules.exclude.has(key)) this.excluded++;
    else this.#judge(record, key, text, image);
  }

  #judge(
    record: ScannedRecord,
    key: number,
    text: string | undefined,
    image: string | undefined,
  ): void {
    const noText = text === undefined ? undefined : textProblem(text);
    const noImage = image === undefined ? undefined : this.#imageProblem(image);
    const noLabel = this.#labelProblem(record);
    const problems = [noText, noImage, noLabel].filter((problem) => problem !== undefined);
    const hasText = text !== undefined && !noText;
    const hasImage = image !== undefined && !noImage;
    const keep =
      problems.length === 0 ||
      (this.#rules.policy === 'missing' && !noLabel && (hasText || hasImage));
    if (!keep) return this.#drop(record, problems);
    this.#count(problems);
    if (problems.length > 0) this.incomplete++;
    const { start, end, line } = record;
    this.index.push({
      start,
      end,
      line,
      record: this.#records,
      label: this.#labelIndex(record),
      key,
      hasText,
      hasImage,
    });
  }

  #cell({ cells }: ScannedRecord, part: Part): string | undefined {
    return cells[this.#at[part]];
  }

  /** What is wrong with a record before its cells can be told apart. */
  #broken({ cells, isUtf8 }: ScannedRecord): Problem | undefined {
    const { columns } = this.#rules;
    const { length } = columns;
    if (cells.length !== length) {
      return {
        reason: 'ragged row',
        detail: `the row has ${counted(cells.length, 'cell')}, the header ${length}`,
      };
    }
    const column = suspicious(cells);
    if (column === -1 || isUtf8()) return undefined;
    return {
      column: columns[column],
      reason: 'invalid UTF-8',
      detail: `${quoted(cells[column]!)} is not valid UTF-8`,
      advice: 'save the file as UTF-8',
    };
  }

  #imageProblem(cell: string): Problem | undefined {
    if (cell.trim() === '')
      return { part: 'image', reason: 'empty image', detail: 'the cell is empty' };
    const problem = this.#rules.images.problem(cell);
    return (
      problem && {
        part: 'image',
        reason: problem.reason,
        detail: `${quoted(cell)} ${problem.detail}`,
        advice: problem.advice,
      }
    );
  }

  #labelProblem(record: ScannedRecord): Problem | undefined {
    const label = this.#cell(record, 'label')?.trim();
    if (label === undefined) return undefined;
    const otherwise = 'pass label: null where rows need none';
    if (label === '')
      return {
        part: 'label',
        reason: 'empty label',
        detail: 'the cell is empty',
        advice: otherwise,
      };
    const { labels } = this.#rules;
    if (!labels || this.#labels.has(label)) return undefined;
    const near = nearest(label, labels);
    return {
      part: 'label',
      reason: 'unknown label',
      detail: `unknown label ${quoted(label)}; known are ${listed(labels)}`,
      advice: near === undefined ? otherwise : `did you mean ${quoted(near)}?`,
    };
  }

  #labelIndex(record: ScannedRecord): number {
    const label = this.#cell(record, 'label')?.trim();
    if (label === undefined) return -1;
    const known = this.#labels.get(label);
    if (known !== undefined) return known;
    const index = this.#labels.size;
    this.#labels.set(label, index);
    return index;
  }

  #drop(record: ScannedRecord, problems: readonly Problem[]): void {
    if (this.#rules.policy === 'error') {
      const [problem] = problems as [Problem];
      throw new InputError(`${this.#message(record, problem)}; ${problem.advice ?? otherPolicies}`);
    }
    this.#count(problems);
    this.skipped++;
  }

  #count(problems: readonly Problem[]): void {
    for (const { reason } of problems) this.reasons[reason] = (this.reasons[reason] ?? 0) + 1;
  }

  #message({ line }: ScannedRecord, { part, column, detail }: Problem): string {
    const name = column ?? (part && this.#rules.roles[part]);
    return `csv: ${placeOf(this.#rules.name, this.#records, line, name)}: ${detail}`;
  }

  #refuseEmpty(): void {
    const { name } = this.#rules;
    if (this.#records <= 0) throw new InputError(`csv: ${name} has a header row and no rows`);
    if (this.index.size > 0) return;
    const reasons = Object.entries(this.reasons).map(([reason, count]) => `${count} ${reason}`);
    if (this.excluded > 0) reasons.unshift(`${this.excluded} excluded`);
    throw new InputError(
      `csv: none of the ${counted(this.#records, 'row')} of ${name} can be used: ` +
        reasons.join(', '),
    );
  }
}

/** How a row is named in messages: `train.csv row 12 (line 17), column "tag"`. */
export function placeOf(name: string, record: number, line: number, column?: string): string {
  const place = `${name} row ${record} (line ${line})`;
  return column === undefined ? place : `${place}, column ${quoted(column)}`;
}

/**
 * The key of a row by its text and the place of its picture; undefined stands for a column that is
 * not there.
 */
export function rowKey(
  text: string | undefined,
  image: string | undefined,
  images: CsvImages,
): number {
  return hashStrings(text, image === undefined ? undefined : images.place(image));
}

function textProblem(cell: string): Problem | undefined {
  return cell.trim() === ''
    ? { part: 'text', reason: 'empty text', detail: 'the cell is empty' }
    : undefined;
}

/**
 * The column of the first cell in which bytes may have been replaced because they are no UTF-8,
 * else -1.
 */
function suspicious(cells: readonly string[]): number {
  return cells.findIndex((cell) => cell.includes('\uFFFD'));
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
