import { InputError } from '../errors.js';
import { Random } from '../nn/random.js';
import { confusionMatrix, macroF1, weightedF1 } from '../training/metrics.js';

/** A figure of a confusion matrix: counts, row the label, column the prediction. */
export type ConfusionFigure = (confusion: readonly (readonly number[])[]) => number;

/** The figures that have a name. */
export type BootstrapFigure = 'accuracy' | 'macroF1' | 'weightedF1';

const figures = {
  accuracy: (confusion) => {
    const all = confusion.flat().reduce((sum, count) => sum + count, 0);
    return confusion.reduce((sum, row, c) => sum + row[c]!, 0) / all;
  },
  macroF1,
  weightedF1,
} satisfies Record<BootstrapFigure, ConfusionFigure>;

/** How intervals are drawn. */
export interface BootstrapOptions {
  /** How often the rows are drawn anew (default 2000). */
  readonly resamples?: number;
  /** The share of the figures that lie in the interval (default 0.95). */
  readonly confidence?: number;
  /** What the draws depend on (default 42). */
  readonly seed?: number;
}

/** An interval of a figure. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * The percentile bootstrap interval (Efron, 1979) of a figure: what it would have been on other rows
 * of the same kind. The rows are drawn with replacement, as many as there are, again and again; the
 * interval holds the middle of the figures that come of it.
 *
 * @param labels the class of each row
 * @param predictions the class that each row was given
 * @param figure its name, or a function of the confusion matrix
 * @throws InputError where there are no rows or an option cannot be used.
 */
export function bootstrapInterval(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  figure: BootstrapFigure | ConfusionFigure = 'accuracy',
  options: BootstrapOptions = {},
): Interval {
  const measure = typeof figure === 'string' ? namedFigure(figure) : figure;
  return bootstrapIntervals(labels, predictions, { measure }, options).measure;
}

/** @throws InputError for a name that no figure has */
function namedFigure(name: BootstrapFigure): ConfusionFigure {
  if (Object.hasOwn(figures, name)) return figures[name];
  throw new InputError(
    `bootstrapInterval: figure must be ${Object.keys(figures).join(', ')}, or a function of the confusion matrix, ` +
      `got '${String(name)}'`,
  );
}

/** The intervals of several figures, from the same draws. */
export function bootstrapIntervals<K extends string>(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  measures: Readonly<Record<K, ConfusionFigure>>,
  { resamples = 2000, confidence = 0.95, seed = 42 }: BootstrapOptions = {},
): Record<K, Interval> {
  checkOptions(resamples, confidence);
  const names = Object.keys(measures) as K[];
  const found = Object.fromEntries(names.map((name) => [name, new Float64Array(resamples)]));
  const draw = resampler(labels, predictions, new Random(seed, 'bootstrap'));
  for (let i = 0; i < resamples; i++) {
    const confusion = draw();
    for (const name of names) found[name]![i] = measures[name](confusion);
  }
  const tail = (1 - confidence) / 2;
  const interval = (name: K): Interval => {
    const sorted = found[name]!.toSorted();
    return { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
  };
  return Object.fromEntries(names.map((name) => [name, interval(name)])) as Record<K, Interval>;
}

/** The intervals of all figures that have a name. */
export function figureIntervals(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  options?: BootstrapOptions,
): Record<BootstrapFigure, Interval> {
  return bootstrapIntervals(labels, predictions, figures, options);
}

/** Draws confusion matrices of the rows, with replacement. */
function resampler(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  random: Random,
): () => number[][] {
  const all = [...Array.from(labels), ...Array.from(predictions)];
  const classes = all.reduce((most, one) => Math.max(most, one + 1), 1);
  confusionMatrix(labels, predictions, classes); // refuses what cannot be counted
  const cells = Int32Array.from(labels, (label, row) => label * classes + predictions[row]!);
  return () => {
    const counts = new Int32Array(classes * classes);
    for (let i = 0; i < cells.length; i++) counts[cells[random.integer(cells.length)]!]! += 1;
    return Array.from({ length: classes }, (_, c) =>
      Array.from(counts.subarray(c * classes, (c + 1) * classes)),
    );
  };
}

/** A quantile of sorted values, interpolated between neighbours, as numpy's. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

function checkOptions(resamples: number, confidence: number): void {
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw new InputError(`bootstrapInterval: resamples must be an integer >= 1, got ${resamples}`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new InputError(
      `bootstrapInterval: confidence must lie between 0 and 1, got ${confidence}`,
    );
  }
}
