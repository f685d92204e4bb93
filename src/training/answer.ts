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
import { cacheable } from './cachedInputs.js';
import type { CachedFeatures } from './featureCaches.js';
import { encodeBatch, holds } from './encodeBatch.js';
import type { EvaluateOptions } from './evaluate.js';
import { nextTurn } from '../eventLoop.node.js';
import { resolveMode } from './mode.js';
import { RowAnswers } from './rowAnswers.js';
import type { Logits } from './rowAnswers.js';
import { labelMap } from './rowLoss.js';

/** What a run that evaluates the same rows again has found out about them. */
export interface KnownRows {
  readonly lengths?: RowLengths;
  readonly features?: KnownFeatures;
  /** Reads the pictures, if not the model's own processor. */
  readonly processor?: ImageReader;
}

/** The answers of {@link answerRows}. */
export async function answerUnknown(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions,
): Promise<RowAnswers> {
  options.signal?.throwIfAborted();
  const processor = openImageThread(model.processor);
  let features: CachedFeatures | undefined;
  try {
    features = await featuresOf(model, dataset, options, processor);
    return await answerKnown(model, dataset, options, { processor, features: features?.of[0] });
  } finally {
    await processor?.close();
    await features?.close();
  }
}

/** What frozen encoders compute of the rows, where it is cached. */
async function featuresOf(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions,
  processor: ImageReader | undefined,
): Promise<CachedFeatures | undefined> {
  const { cacheFeatures: folder = false, batchSize = 32, prefetch = 2, signal } = options;
  if (folder === false) return undefined;
  const mode = await modeFor(model, dataset, options);
  const inputs = cacheable(model, mode);
  if (inputs.length === 0) return undefined;
  const { cachedFeatures } = await import('./featureCaches.js');
  const maxLength = model.textLength(options.maxLength);
  // What is damaged is computed again, and the same comes out.
  const how = { folder, processor, maxLength, batchSize, prefetch, signal, warn: () => {} };
  return cachedFeatures(model, inputs, [dataset], how);
}

/** As {@link answerUnknown}, of rows of which something may be known already. */
export async function answerKnown(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions,
  known: KnownRows,
): Promise<RowAnswers> {
  const { signal } = options;
  signal?.throwIfAborted();
  const toClass = labelMap('evaluate', dataset, model.labels);
  const mode = await modeFor(model, dataset, options);
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

/** What answers rest on: what is asked for, else the one input that the model knows, else what the rows hold. */
function modeFor(
  model: BertResNetModel,
  dataset: Dataset,
  { mode = model.trainedMode }: EvaluateOptions,
): Promise<Mode> {
  return resolveMode('evaluate', model, dataset, mode);
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
