import { InputError } from '../errors.js';
import { Random } from '../nn/random.js';
import { hashStrings } from './csvHash.js';
import type { BadRowPolicy, Dataset, Example, Part } from './example.js';

/** Some of the rows of a data set, in an order of their own: a view, nothing is copied. */
export class Subset implements Dataset {
  readonly name: string;
  readonly #parent: Dataset;
  readonly #positions: Int32Array;
  readonly labelOf?: (position: number) => number;
  readonly keyOf?: (position: number) => number | undefined;

  /**
   * @param positions the rows, by their positions in `parent`.
   * @throws InputError where a position lies outside it.
   */
  constructor(parent: Dataset, positions: ArrayLike<number>, name = parent.name) {
    this.name = name;
    this.#parent = parent;
    this.#positions = Int32Array.from(positions);
    const wrong = this.#positions.find((position) => position < 0 || position >= parent.size);
    if (wrong !== undefined) {
      throw new InputError(
        `subset: ${parent.name} has rows at positions 0 to ${parent.size - 1}, got ${wrong}`,
      );
    }
    const { labelOf, keyOf } = parent;
    if (labelOf) this.labelOf = (position) => labelOf.call(parent, this.position(position));
    if (keyOf) this.keyOf = (position) => keyOf.call(parent, this.position(position));
  }

  get size(): number {
    return this.#positions.length;
  }

  get labels(): readonly string[] {
    return this.#parent.labels;
  }

  get onBadRow(): BadRowPolicy | undefined {
    return this.#parent.onBadRow;
  }

  /** A hash of the parent's fingerprint and of the rows chosen, where the parent has one. */
  get fingerprint(): string | undefined {
    const { fingerprint } = this.#parent;
    if (fingerprint === undefined) return undefined;
    return `${fingerprint}/${hashStrings(this.#positions.join()).toString(16)}`;
  }

  /** The position in the parent of a row of this view. */
  position(position: number): number {
    const inParent = this.#positions[position];
    if (inParent !== undefined) return inParent;
    throw new InputError(
      `subset: ${this.name} has rows at positions 0 to ${this.size - 1}, got ${position}`,
    );
  }

  examples(positions: readonly number[]): Promise<Example[]> {
    return this.#parent.examples(positions.map((position) => this.position(position)));
  }

  describe(position: number, part?: Part): string {
    return this.#parent.describe(this.position(position), part);
  }
}

/** How a data set is split. */
export interface SplitOptions {
  /** What the choice of rows depends on (default 42). */
  readonly seed?: number;
  /** Whether each view has the labels in the proportions of the whole (default true). */
  readonly stratify?: boolean;
}

/**
 * Splits a data set at random into views that share no row, such as `split(data, [0.8, 0.2])`. What
 * the fractions leave over stays out. The same seed gives the same views; their rows stand in the
 * order of the data set.
 *
 * @throws InputError for fractions that are not positive or exceed 1 together, and where a view
 * would be empty.
 */
export async function split(
  dataset: Dataset,
  fractions: readonly number[],
  { seed = 42, stratify = true }: SplitOptions = {},
): Promise<Subset[]> {
  checkFractions(fractions);
  const labels = stratify ? await labelIndices(dataset) : new Int32Array(dataset.size);
  const views = deal(shuffledByLabel(labels, seed), fractions);
  const empty = views.findIndex((view) => view.length === 0);
  if (empty !== -1) {
    throw new InputError(
      `split: ${fractions[empty]} of the ${dataset.size} rows of ${dataset.name} is no row at all`,
    );
  }
  return views.map(
    (view) =>
      new Subset(
        dataset,
        view.toSorted((a, b) => a - b),
      ),
  );
}

/**
 * The label of every row, -1 where it has none; the rows are read where the data set has no
 * `labelOf`.
 */
export async function labelIndices(dataset: Dataset): Promise<Int32Array> {
  const labels = new Int32Array(dataset.size);
  if (dataset.labelOf) return labels.map((_, position) => dataset.labelOf!(position));
  const chunk = 1024;
  for (let start = 0; start < dataset.size; start += chunk) {
    const positions = Array.from(
      { length: Math.min(chunk, dataset.size - start) },
      (_, i) => start + i,
    );
    const examples = await dataset.examples(positions);
    labels.set(
      examples.map(({ label }) => label ?? -1),
      start,
    );
  }
  return labels;
}

/** All positions, label by label, at random within each. */
function shuffledByLabel(labels: Int32Array, seed: number): Int32Array {
  const shuffled = new Random(seed, 'split').permutation(labels.length);
  // A stable sort: the order within a label stays random.
  return shuffled.toSorted((a, b) => labels[a]! - labels[b]!);
}

/**
 * Deals positions to views in turn, each time to the one that lacks most: any run of them is split
 * in proportion.
 */
function deal(positions: Int32Array, fractions: readonly number[]): number[][] {
  const shares = [...fractions, Math.max(0, 1 - sum(fractions))];
  const views: number[][] = shares.map(() => []);
  positions.forEach((position, i) => {
    const lacking = shares.map((share, view) => share * (i + 1) - views[view]!.length);
    views[lacking.indexOf(Math.max(...lacking))]!.push(position);
  });
  return views.slice(0, fractions.length);
}

function checkFractions(fractions: readonly number[]): void {
  const positive = fractions.length > 0 && fractions.every((fraction) => fraction > 0);
  if (positive && sum(fractions) <= 1 + 1e-9) return;
  throw new InputError(
    `split: fractions must be positive and at most 1 together, got [${fractions.join(', ')}]`,
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
