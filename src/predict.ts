import * as tf from '@tensorflow/tfjs-core';
import type { ImageSource } from './datasets/example.js';
import type { ImageProcessor } from './datasets/image.js';
import { tokenLengths } from './datasets/rowLengths.js';
import type { BertTokenizer } from './datasets/tokenizer.js';
import { InputError, messageOf } from './errors.js';
import type { Mode } from './fusion/fusion.js';
import type { BertResNetModel } from './model.js';
import { chooseMode } from './modelInput.js';
import type { ModelInput } from './modelOptions.js';

/** A row as people write it; either part may be missing. */
export interface RawInput {
  readonly text?: string;
  /** A path, encoded bytes, a Blob, or decoded pixels. */
  readonly image?: ImageSource;
}

/** How rows are predicted. */
export interface PredictOptions {
  /** Rests every answer on this; by default each row's rests on what the row has. */
  readonly mode?: Mode;
  /** Rows that are computed at once (default 16). */
  readonly batchSize?: number;
  /** The longest text, in tokens (default: what the encoder reads). */
  readonly maxLength?: number;
}

/** The answer to a row. */
export interface Prediction {
  /** The most probable class. */
  readonly label: string;
  /** Its probability, 0 to 1. */
  readonly probability: number;
  /** The probability of each class by its label; they sum to 1. */
  readonly probabilities: Readonly<Record<string, number>>;
}

/** What reads raw rows for a model. */
export interface RowReader {
  readonly labels: readonly string[];
  readonly tokenizer?: BertTokenizer;
  readonly processor?: ImageProcessor;
  /** The number of tokens at which texts are cut. */
  textLength(asked?: number): number | undefined;
}

/** The probabilities of a batch, row-major [batch, labels]. */
export type Classify = (inputs: ModelInput, mode: Mode) => Promise<ArrayLike<number>>;

/** `predictRows` with a model that computes in TensorFlow.js. */
export function predict(
  model: BertResNetModel,
  rows: readonly RawInput[],
  options?: PredictOptions,
): Promise<Prediction[]> {
  return predictRows(model, rows, options, async (inputs, mode) => {
    const probabilities = tf.tidy(() => tf.softmax(model.forward(inputs, { mode })));
    try {
      return await probabilities.data();
    } finally {
      probabilities.dispose();
    }
  });
}

/**
 * The class of each row, in their order. Rows that have the same inputs and texts of like length are
 * computed together.
 *
 * @throws InputError where a row has neither input or lacks one that the mode needs, the model has no
 *   tokenizer or processor to read it, or a picture cannot be read.
 */
export async function predictRows(
  model: RowReader,
  rows: readonly RawInput[],
  options: PredictOptions = {},
  classify: Classify,
): Promise<Prediction[]> {
  const { batchSize = 16 } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new InputError(`predict: batchSize must be an integer >= 1, got ${batchSize}`);
  }
  const rowModes = rows.map((row, i) => modeOf(row, i, options.mode));
  for (const mode of new Set(rowModes)) requireReaders(model, mode);
  const answers: Prediction[] = [];
  for (const mode of new Set(rowModes)) {
    const ofMode = rowModes.flatMap((rowMode, i) => (rowMode === mode ? [i] : []));
    const positions = await longestFirst(model, rows, ofMode, mode, options.maxLength);
    for (let start = 0; start < positions.length; start += batchSize) {
      const batch = positions.slice(start, start + batchSize);
      const predictions = await predictBatch(
        model,
        batch.map((i) => rows[i]!),
        mode,
        options,
        classify,
      );
      batch.forEach((position, i) => (answers[position] = predictions[i]!));
    }
  }
  return answers;
}

function modeOf(row: RawInput, position: number, asked?: Mode): Mode {
  try {
    return chooseMode(row, asked);
  } catch (error) {
    throw new InputError(`predict: row ${position}: ${messageOf(error)}`);
  }
}

function requireReaders(model: RowReader, mode: Mode): void {
  if (mode !== 'image' && model.tokenizer === undefined) {
    throw new InputError(
      'predict: raw text needs a tokenizer, and the model has none; ' +
        'pass tokenizer: await BertTokenizer.fromPretrained(...) to the model',
    );
  }
  if (mode !== 'text' && model.processor === undefined) {
    throw new InputError(
      'predict: raw pictures need a processor, and the model has none; ' +
        'pass processor: new ImageProcessor() to the model',
    );
  }
}

/** Positions in an order in which batches need little padding. */
async function longestFirst(
  model: RowReader,
  rows: readonly RawInput[],
  positions: readonly number[],
  mode: Mode,
  maxLength?: number,
): Promise<readonly number[]> {
  if (mode === 'image' || positions.length === 1) return positions;
  const texts = positions.map((position) => rows[position]!.text!);
  const lengths = await tokenLengths(texts, model.tokenizer!, model.textLength(maxLength));
  const order = [...positions.keys()].toSorted((a, b) => lengths[b]! - lengths[a]! || a - b);
  return order.map((index) => positions[index]!);
}

async function predictBatch(
  model: RowReader,
  rows: readonly RawInput[],
  mode: Mode,
  options: PredictOptions,
  classify: Classify,
): Promise<Prediction[]> {
  const inputs = await readRows(model, rows, mode, options);
  try {
    const values = Array.from(await classify(inputs, mode));
    const count = model.labels.length;
    return rows.map((_, i) => answer(model.labels, values.slice(i * count, (i + 1) * count)));
  } finally {
    tf.dispose([{ ...inputs.text }, inputs.image ?? []]);
  }
}

async function readRows(
  model: RowReader,
  rows: readonly RawInput[],
  mode: Mode,
  options: PredictOptions,
): Promise<ModelInput> {
  const image =
    mode === 'text' ? undefined : await model.processor!.process(rows.map((row) => row.image!));
  if (mode === 'image') return { image };
  const texts = rows.map((row) => row.text!);
  const maxLength = model.textLength(options.maxLength);
  // Few lengths, so that an engine that compiles meets few shapes.
  return { image, text: model.tokenizer!.encode(texts, { maxLength, padToMultipleOf: 8 }) };
}

function answer(labels: readonly string[], values: ArrayLike<number>): Prediction {
  const probabilities = Object.fromEntries(labels.map((label, i) => [label, values[i]!]));
  const best = labels.reduce((a, b) => (probabilities[b]! > probabilities[a]! ? b : a));
  return { label: best, probability: probabilities[best]!, probabilities };
}
