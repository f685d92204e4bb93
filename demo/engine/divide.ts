// Which rows are learnt from, which tell the best pass, and which are held back to the end.
import { split, Subset } from 'bertresnet';
import type { CsvDataset, Dataset } from 'bertresnet';
import type { DataProblem, DataSummary, Split } from '../protocol.js';
import { splits } from '../protocol.js';

/** Rows that are open, and how they are divided. */
export interface Rows {
  readonly summary: DataSummary;
  readonly dataset: CsvDataset;
  /** The purpose of each row, by its position. */
  readonly splitOf: readonly Split[];
  readonly parts: Readonly<Record<Split, Dataset>>;
}

/** Whether rows could be opened. */
export const areRows = (result: Rows | DataProblem): result is Rows => 'dataset' in result;

const fractions = { train: 0.7, validation: 0.1, test: 0.2 } as const;
const seed = 42;

/** How a column “split” may say it. */
const spellings: Readonly<Record<string, Split>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  dev: 'validation',
  test: 'test',
};

type Found = Pick<DataSummary, 'name' | 'header' | 'columns' | 'warnings'>;

/** Divides rows as their column “split” says, or at random with the labels in proportion. */
export async function divide(dataset: CsvDataset, found: Found): Promise<Rows | DataProblem> {
  const said = await saidSplits(dataset);
  if (said !== undefined && 'problem' in said) return said;
  const splitOf = said ?? (await randomSplits(dataset));
  const positions = (which: Split): number[] =>
    splitOf.flatMap((one, i) => (one === which ? [i] : []));
  const part = (which: Split): Dataset => new Subset(dataset, positions(which));
  const parts = { train: part('train'), validation: part('validation'), test: part('test') };
  const sizes = {
    train: parts.train.size,
    validation: parts.validation.size,
    test: parts.test.size,
  };
  const labels = dataset.labels.map((name, i) => ({ name, rows: dataset.labelCounts[i]! }));
  const summary = {
    ...found,
    rows: dataset.size,
    labels: labels.toSorted((a, b) => b.rows - a.rows),
    splits: sizes,
    warnings: [...found.warnings, ...unseen(parts.train)],
  };
  return { summary, dataset, splitOf, parts };
}

/** What a column “split” says; undefined where there is none. */
async function saidSplits(dataset: CsvDataset): Promise<Split[] | DataProblem | undefined> {
  const column = dataset.columns.findIndex((name) => /^(split|subset|fold)$/i.test(name.trim()));
  if (column === -1) return undefined;
  const rows = await dataset.rows(Array.from({ length: dataset.size }, (_, i) => i));
  const cells = rows.map((cells) => cells[column]!.trim().toLowerCase());
  const unknown = cells.find((cell) => spellings[cell] === undefined);
  if (unknown !== undefined) {
    return {
      problem: [
        `The column “${dataset.columns[column]}” holds “${unknown}”.`,
        'It may hold train, validation and test; rename it if it means something else.',
      ],
    };
  }
  const said = cells.map((cell) => spellings[cell]!);
  const absent = splits.find((one) => !said.includes(one));
  if (absent === undefined) return said;
  return {
    problem: [
      `The column “${dataset.columns[column]}” has no row for ${absent}.`,
      'It must hold each of train, validation and test.',
    ],
  };
}

async function randomSplits(dataset: CsvDataset): Promise<Split[]> {
  const subsets = await split(dataset, Object.values(fractions), { seed });
  const splitOf = Array.from({ length: dataset.size }, (): Split => 'train');
  subsets.forEach((subset, which) => {
    for (let i = 0; i < subset.size; i++) splitOf[subset.position(i)] = splits[which]!;
  });
  return splitOf;
}

/** A label that no row to learn from has cannot be learnt. */
function unseen(train: Dataset): string[] {
  const seen = new Set(Array.from({ length: train.size }, (_, i) => train.labelOf!(i)));
  const missing = train.labels.filter((_, i) => !seen.has(i));
  if (missing.length === 0) return [];
  return [
    `No row to learn from has the label ${missing
      .slice(0, 5)
      .map((name) => `“${name}”`)
      .join(', ')}, so the model cannot give it.`,
  ];
}
