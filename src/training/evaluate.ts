import * as tf from '@tensorflow/tfjs-core';
import { batches } from '../datasets/batch.js';
import type { Batch, ImageReader } from '../datasets/batch.js';
import type { Dataset } from '../datasets/example.js';
import type { KnownFeatures } from '../datasets/features.js';
import { openImageThread } from '../datasets/imageThread.js';
import { measureRows } from '../datasets/rowLengths.js';
import type { RowLengths } from '../datasets/rowLengths.js';
import { sortedOrder } from '../datasets/rowOrder.js';
import { InputError } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import { encodeBatch, holds } from './encodeBatch.js';
import { nextTurn } from '../eventLoop.node.js';
import type { ClassificationReport } from './metrics.js';
import { resolveMode } from './mode.js';
import { RowAnswers } from './rowAnswers.js';
import type { Logits } from './rowAnswers.js';
import { labelMap } from './rowLoss.js';

/** How {@link evaluate} runs. */
export interface EvaluateOptions {
  /**
   * What the answers rest on: `text`, `image` or `both` together; `all` stands for `both`, or for
   * the one that the data have. Default `all`.
   */
  readonly mode?: Mode | 'all';
  /** Rows at a time (default 32). */
  readonly batchSize?: number;
  /** The number of tokens at which texts are cut; default: the tokenizer's. */
  readonly maxLength?: number;
  /** How many batches are read ahead (default 2). */
  readonly prefetch?: number;
  /** Stops between two batches: `evaluate` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told after each batch how many rows are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The figures of one mode. */
export interface ModeReport extends ClassificationReport {
  /** `loss` and `ece` with the temperatures of a model that is calibrated; those above are without. */
  readonly calibrated?: { readonly loss: number; readonly ece: number };
  /**
   * How many rows lack an input that the mode reads. In mode `both` they are answered by the head
   * of what they have (a row with neither is left out); in a single mode they are left out of all
   * figures.
   */
  readonly missing: { readonly text?: number; readonly image?: number };
}

/** The figures of rows that have the same inputs. */
export interface PresenceReport {
  readonly rows: number;
  readonly accuracy: number;
  readonly macroF1: number;
}

/**
 * What {@link evaluate} finds: the figures of the mode that was asked for, and of every mode that
 * was at hand.
 */
export interface EvaluationReport extends ModeReport {
  /** The mode of the figures at the top level. */
  readonly mode: Mode;
  /**
   * With mode `both`, also those of text alone and of image alone, over the rows that have them.
   */
  readonly modes: Partial<Record<Mode, ModeReport>>;
  /**
   * With mode `both`, the figures by what rows have: `text` are those of the rows with a text only,
   * `image` with a picture only, each answered from all that it has, and `both` with both. Together
   * they are the rows of the figures at the top level.
   */
  readonly byPresence?: Partial<Record<Mode, PresenceReport>>;
}

/** What a run that evaluates the same rows again has found out about them. */
export interface KnownRows {
  readonly lengths?: RowLengths;
  readonly features?: KnownFeatures;
  /** Reads the pictures, if not the model's own processor. */
  readonly processor?: ImageReader;
}

/**
 * Answers every row of a data set and compares with its labels. The encoders run once for each
 * batch; the heads of all modes answer from the same features. Rows whose texts are of like length
 * are answered together, so that there is little padding. Labels are matched by name, so a data set
 * may lack some of the classes.
 *
 * @throws InputError where a label is not one of the model's, a row has none, or no row has what
 * the mode needs.
 */
export async function evaluate(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<EvaluationReport> {
  return (await answerRows(model, dataset, options)).report();
}

/**
 * The answers that {@link evaluate} makes its figures of: the logits of every row, by the head that
 * gave them.
 *
 * @throws InputError as {@link evaluate}.
 */
export async function answerRows(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<RowAnswers> {
  const processor = openImageThread(model.processor);
  try {
    return await answerKnown(model, dataset, options, { processor });
  } finally {
    await processor?.close();
  }
}

/** As {@link evaluate}, of rows of which something may be known already. */
export async function evaluateKnown(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions,
  known: KnownRows,
): Promise<EvaluationReport> {
  return (await answerKnown(model, dataset, options, known)).report();
}

async function answerKnown(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions,
  known: KnownRows,
): Promise<RowAnswers> {
  const { signal } = options;
  signal?.throwIfAborted();
  const toClass = labelMap('evaluate', dataset, model.labels);
  const mode = await resolveMode('evaluate', model, dataset, options.mode);
  const { labels, calibration } = model;
  const { name, size } = dataset;
  const answers = new RowAnswers({ mode, labels, name }, size, calibration);
  let seen = 0;
  const lengths = known.lengths ?? (await lengthsOf(model, dataset, mode, options));
  const how = batchOptions(model, mode, options);
  const order = lengths && sortedOrder(lengths);
  const { features, processor = model.processor } = known;
  for await (const batch of batches(dataset, { ...how, order, features, processor })) {
    signal?.throwIfAborted();
    answers.add(batch, classesOf(batch, dataset, toClass), await logitsOf(model, batch, mode));
    seen += batch.size;
    options.onProgress?.(seen, dataset.size);
    await nextTurn();
  }
  return answers;
}

function classesOf(batch: Batch, dataset: Dataset, toClass: (label: number) => number): number[] {
  return Array.from(batch.labels, (label, row) => {
    const found = toClass(label);
    if (found !== -1) return found;
    const where = dataset.describe(batch.positions[row]!);
    throw new InputError(
      `evaluate: every row must have a label, got none in ${where}; predict needs none`,
    );
  });
}

/** How long the texts are, where the mode reads any and they are tokenised. */
export async function lengthsOf(
  model: BertResNetModel,
  dataset: Dataset,
  mode: Mode,
  { maxLength, signal }: Pick<EvaluateOptions, 'maxLength' | 'signal'>,
): Promise<RowLengths | undefined> {
  if (mode === 'image' || model.extractors.text) return undefined;
  return measureRows(dataset, model.tokenizer!, { maxLength: model.textLength(maxLength), signal });
}

function batchOptions(
  model: BertResNetModel,
  mode: Mode,
  { batchSize = 32, maxLength, prefetch }: EvaluateOptions,
) {
  const { tokenizer, extractors } = model;
  const length = model.textLength(maxLength);
  return { batchSize, maxLength: length, prefetch, mode, tokenizer, extractors };
}

/** The logits [rows, classes] of every mode that a batch has the inputs for. */
async function logitsOf(model: BertResNetModel, batch: Batch, mode: Mode): Promise<Logits> {
  const present = modes.filter((name) => holds(batch, name) && (mode === 'both' || name === mode));
  if (present.length === 0) return {};
  const widest = present.includes('both') ? 'both' : present[0]!;
  const logits = tf.tidy(() => {
    const features = encodeBatch(model, batch, { mode: widest });
    return present.map((name) => model.classify(features, { mode: name }));
  });
  try {
    const values = await Promise.all(
      logits.map((tensor) => tensor.data() as Promise<Float32Array>),
    );
    return Object.fromEntries(present.map((name, i) => [name, values[i]]));
  } finally {
    tf.dispose(logits);
  }
}
