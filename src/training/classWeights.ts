import type { Dataset } from '../datasets/example.js';
import { InputError } from '../errors.js';

/**
 * What the rows of each class count in the loss: `balanced` gives every class the same sum (rows / (classes x rows of
 * the class), as scikit-learn); else a number a class, in the order of the model's labels or by label.
 */
export type ClassWeights = 'balanced' | readonly number[] | Readonly<Record<string, number>>;

/** How many rows of a data set are read at a time where its labels are not known otherwise. */
const readAtOnce = 256;

/**
 * A number a class of the model; undefined where all rows count the same.
 *
 * @param toClass from a row's class in the data set to the model's
 * @throws InputError where a class has no number or a label is unknown.
 */
export async function resolveClassWeights(
  asked: ClassWeights | undefined,
  labels: readonly string[],
  train: Dataset,
  toClass: (label: number) => number,
): Promise<Float32Array | undefined> {
  if (asked === undefined) return undefined;
  if (asked === 'balanced') return balanced(await countRows(train, labels.length, toClass));
  if (Array.isArray(asked)) {
    if (asked.length === labels.length) return Float32Array.from(asked);
    throw new InputError(
      `trainer: classWeights must be a number a class (${labels.join(', ')}), got ${asked.length} numbers`,
    );
  }
  const byLabel = asked as Readonly<Record<string, number>>;
  const wrong = [
    ...labels.filter((label) => !Object.hasOwn(byLabel, label)),
    ...Object.keys(byLabel).filter((label) => !labels.includes(label)),
  ];
  if (wrong.length === 0) return Float32Array.from(labels, (label) => byLabel[label]!);
  throw new InputError(
    `trainer: classWeights must name every label (${labels.join(', ')}) and no other, got it wrong for ` +
      wrong.join(', '),
  );
}

/** A class without rows counts 1: no row asks. */
function balanced(counts: readonly number[]): Float32Array {
  const rows = counts.reduce((sum, count) => sum + count, 0);
  return Float32Array.from(counts, (count) => (count === 0 ? 1 : rows / (counts.length * count)));
}

async function countRows(
  train: Dataset,
  classes: number,
  toClass: (label: number) => number,
): Promise<number[]> {
  const counts = Array.from({ length: classes }, () => 0);
  for (let start = 0; start < train.size; start += readAtOnce) {
    const length = Math.min(readAtOnce, train.size - start);
    const positions = Array.from({ length }, (_, i) => start + i);
    for (const label of await labelsOf(train, positions)) {
      if (label !== -1) counts[toClass(label)]! += 1;
    }
  }
  return counts;
}

async function labelsOf(train: Dataset, positions: readonly number[]): Promise<number[]> {
  if (train.labelOf !== undefined) return positions.map((position) => train.labelOf!(position));
  return (await train.examples(positions)).map(({ label }) => label ?? -1);
}
