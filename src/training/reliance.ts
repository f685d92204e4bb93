import * as tf from '@tensorflow/tfjs-core';
import { batches } from '../datasets/batch.js';
import type { Batch } from '../datasets/batch.js';
import type { Dataset } from '../datasets/example.js';
import type { Features } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import { encodeBatch, holds } from './encodeBatch.js';
import type { KnownRows } from './answer.js';
import type { EvaluateOptions, ModeReport } from './evaluate.js';

/**
 * How much the answers of mode `both` rest on each input: the share of rows whose answer becomes another one when that
 * input is replaced with another row's. Near 0, the input is ignored.
 */
export interface Reliance {
  readonly text: number;
  readonly image: number;
  /** How many validation rows these are shares of. */
  readonly rows: number;
  /**
   * The input that is ignored, where there is evidence of it: the model answers better than by naming the most frequent
   * label, and hardly ever otherwise with that input of another row.
   */
  readonly ignored?: 'text' | 'image';
}

/** So many rows, evenly spread, tell enough. */
const sampledRows = 128;

/**
 * Replaces the texts, then the pictures, of rows with those of their neighbours in the batch, and compares answers
 * (permutation importance; Breiman, 2001).
 *
 * @returns undefined where no two rows of a batch have both inputs.
 */
export async function measureReliance(
  model: BertResNetModel,
  dataset: Dataset,
  { batchSize = 32, maxLength, prefetch, signal }: EvaluateOptions,
  { features, processor = model.processor }: KnownRows,
): Promise<Reliance | undefined> {
  const count = Math.min(sampledRows, dataset.size);
  const order = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.size) / count));
  const { tokenizer, extractors } = model;
  const readers = { mode: 'both', tokenizer, processor, extractors, features } as const;
  const how = { batchSize, prefetch, signal, order, maxLength: model.textLength(maxLength) };
  const changed = { text: 0, image: 0, rows: 0 };
  for await (const batch of batches(dataset, { ...how, ...readers })) {
    const complete = completeRows(batch);
    if (complete.length < 2 || !holds(batch, 'both')) continue;
    const [own, text, image] = await answers(model, batch, complete);
    const differing = (others: ArrayLike<number>): number =>
      own.filter((answer, row) => answer !== others[row]).length;
    changed.text += differing(text);
    changed.image += differing(image);
    changed.rows += complete.length;
  }
  const { rows } = changed;
  return rows === 0 ? undefined : { text: changed.text / rows, image: changed.image / rows, rows };
}

function completeRows({ hasText, hasImage }: Batch): number[] {
  return hasText.flatMap((present, row) => (present && hasImage[row]! ? [row] : []));
}

/** The classes that rows are given: as they are, with another's text, with another's picture. */
async function answers(
  model: BertResNetModel,
  batch: Batch,
  rows: readonly number[],
): Promise<[own: Int32Array, text: Int32Array, image: Int32Array]> {
  const found = tf.tidy(() => {
    const features = encodeBatch(model, batch, { mode: 'both' });
    const next = [...rows.slice(1), rows[0]!];
    const answer = (texts: readonly number[], images: readonly number[]): tf.Tensor => {
      const mixed = { ...take(features, 'text', texts), ...take(features, 'image', images) };
      return tf.argMax(model.classify(mixed, { mode: 'both' }), 1);
    };
    return [answer(rows, rows), answer(next, rows), answer(rows, next)];
  });
  try {
    const values = await Promise.all(found.map((tensor) => tensor.data() as Promise<Int32Array>));
    return values as [Int32Array, Int32Array, Int32Array];
  } finally {
    tf.dispose(found);
  }
}

/** All that is known of one input, its sequences and their mask included, of some rows in their order. */
function take(features: Features, input: 'text' | 'image', rows: readonly number[]): Features {
  const parts = Object.entries(features).filter(([name]) => name.startsWith(input));
  const taken = parts.map(([name, x]: [string, tf.Tensor | undefined]) => {
    return [name, x && tf.gather(x, tf.tensor1d([...rows], 'int32'))];
  });
  return Object.fromEntries(taken) as Features;
}

/**
 * The input that a model ignores; undefined where it uses both, and where it cannot be told yet. Chance is no evidence:
 * the model has to answer better than by naming the most frequent label each time, or there is nothing that it could rest
 * on; and the share of answers that the input changes has to be below a tenth of what the other one changes. Both have to
 * hold at the unfavourable end of a 95% interval, so of a few rows nothing is said.
 */
export function ignoredInput(
  { text, image, rows }: Reliance,
  report: ModeReport,
): Reliance['ignored'] {
  const majority = Math.max(...report.confusion.map((row) => row.reduce((a, b) => a + b, 0)));
  if (wilson(report.accuracy, report.rows).low <= majority / report.rows) return undefined;
  const [less, more] = [Math.min(text, image), Math.max(text, image)];
  if (wilson(less, rows).high >= more / 10) return undefined;
  return text < image ? 'text' : 'image';
}

/** The 95% interval of a share of so many rows (Wilson, 1927). */
function wilson(share: number, rows: number): { readonly low: number; readonly high: number } {
  const z = 1.96;
  const scale = 1 + z ** 2 / rows;
  const middle = share + z ** 2 / (2 * rows);
  const half = z * Math.sqrt((share * (1 - share)) / rows + (z / (2 * rows)) ** 2);
  return { low: (middle - half) / scale, high: (middle + half) / scale };
}

/** What is to be said of a model that ignores one of its inputs; undefined where nothing is. */
export function relianceWarning(reliance: Reliance, epoch: number): string | undefined {
  const { text, image, rows } = reliance;
  if (reliance.ignored === undefined) return undefined;
  const [ignored, used] = reliance.ignored === 'text' ? ['text', 'picture'] : ['picture', 'text'];
  return (
    `trainer: after epoch ${epoch} the ${ignored} is ignored: of the answers to ${rows} validation ` +
    `rows ${percent(Math.min(text, image))} change with another row's ${ignored}, ` +
    `${percent(Math.max(text, image))} with another row's ${used}; ` +
    'see auxiliary, gradientModulation and modalityDropout, or the fusion late'
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
