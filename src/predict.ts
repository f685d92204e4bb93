import * as tf from '@tensorflow/tfjs-core';
import { temperatureOf, thresholdFor } from './calibration.js';
import type { Calibration } from './calibration.js';
import type { ImageSource } from './datasets/example.js';
import type { FeatureExtractors, HostFeatures, PixelValues } from './datasets/features.js';
import type { ImageProcessor } from './datasets/image.js';
import { tokenLengths } from './datasets/rowLengths.js';
import type { BertTokenizer } from './datasets/tokenizer.js';
import { InputError, messageOf } from './errors.js';
import type { Features, Mode } from './fusion/fusion.js';
import type { BertResNetModel } from './model.js';
import { chooseMode } from './modelInput.js';
import type { ModelInput } from './modelOptions.js';
import { inOwnPrograms } from './nn/programs.js';
import { received } from './schema.js';

/** A row as people write it; either part may be missing. */
export interface RawInput {
  readonly text?: string;
  /** A path, encoded bytes, a Blob, or decoded pixels. */
  readonly image?: ImageSource;
}

/** How rows are predicted. */
export interface PredictOptions {
  /** Rests every answer on this; by default on the model's `trainedMode`, else each row's on what the row has. */
  readonly mode?: Mode;
  /** Rows that are computed at once (default 16). */
  readonly batchSize?: number;
  /** The longest text, in tokens (default: the model's `maxLength`, else what tokenizer and encoder take). */
  readonly maxLength?: number;
  /**
   * Abstains from answers of a smaller probability: one threshold for all labels, or one for each
   * by its name (others abstain from nothing).
   */
  readonly threshold?: number | Readonly<Record<string, number>>;
  /**
   * Abstains where answers of the label were right less often than this among the rows that the
   * model was calibrated on: each label's own threshold, for what the row has.
   */
  readonly minimumPrecision?: number;
}

/** The answer to a row. */
export interface Prediction {
  /** The most probable class. */
  readonly label: string;
  /** Its probability, 0 to 1. */
  readonly probability: number;
  /** The probability of each class by its label; they sum to 1. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** Whether the answer does not reach its threshold: there only where `predict` was given one. */
  readonly abstained?: boolean;
}

/** What reads raw rows for a model. */
export interface RowReader {
  readonly labels: readonly string[];
  readonly tokenizer?: BertTokenizer;
  readonly processor?: ImageProcessor;
  readonly calibration?: Calibration;
  /** What reads rows in the place of tokenizer and processor. */
  readonly extractors?: FeatureExtractors;
  /** The number of tokens at which texts are cut. */
  textLength(asked?: number): number | undefined;
}

/**
 * The probabilities of a batch, row-major [batch, labels], from logits divided by a temperature; `features` are those
 * of inputs that an extractor read.
 */
export type Classify = (
  inputs: ModelInput,
  mode: Mode,
  temperature: number,
  features: HostFeatures,
) => Promise<ArrayLike<number>>;

/** `predictRows` with a model that computes in TensorFlow.js. */
export function predict(
  model: BertResNetModel,
  rows: readonly RawInput[],
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const { mode: asked = model.trainedMode } = options;
  return predictRows(
    model,
    rows,
    { ...options, mode: asked },
    async (inputs, mode, temperature, extracted) => {
      const probabilities = tf.tidy(() => {
        const features = {
          ...encodeRead(model, inputs, mode),
          ...(extracted.text && { text: toTensor(extracted.text, model.textEncoder) }),
          ...(extracted.image && { image: toTensor(extracted.image, model.visualEncoder) }),
        };
        return tf.softmax(tf.div(model.classify(features, { mode }), temperature));
      });
      try {
        return await probabilities.data();
      } finally {
        probabilities.dispose();
      }
    },
  );
}

/** The features of the inputs that are there, of those that a mode reads. */
function encodeRead(model: BertResNetModel, inputs: ModelInput, mode: Mode): Features {
  const { text, image } = inputs;
  if (mode !== 'both') return text || image ? model.encode(inputs, { mode }) : {};
  const { needs } = model.fusion;
  const encodeText = (): Features => model.encode({ text }, { mode: 'text' }, needs);
  const encodeImage = (): Features => model.encode({ image }, { mode: 'image' }, needs);
  if (!text) return image ? encodeImage() : {};
  if (!image) return encodeText();
  // Texts differ in length from call to call, pictures do not.
  const texts =
    needs === 'pooled' ? { text: inOwnPrograms(() => encodeText().text!) } : encodeText();
  return { ...texts, ...encodeImage() };
}

function toTensor(values: Float32Array, { featureSize }: { featureSize: number }): tf.Tensor2D {
  return tf.tensor2d(values, [values.length / featureSize, featureSize]);
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
  if (!Array.isArray(rows)) {
    throw new InputError(
      `predict: rows must be an array, such as [{ text, image }], got ${received(rows)}`,
    );
  }
  const rowModes = rows.map((row, i) => modeOf(row, i, options.mode));
  for (const mode of new Set(rowModes)) requireReaders(model, mode);
  checkThresholds(model.labels, options);
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
  if (typeof row !== 'object' || row === null) {
    throw new InputError(
      `predict: row ${position} must be an object such as { text, image }, got ${received(row)}`,
    );
  }
  try {
    return chooseMode(row, asked);
  } catch (error) {
    throw new InputError(`predict: row ${position}: ${messageOf(error)}`);
  }
}

function requireReaders(model: RowReader, mode: Mode): void {
  const { text, image } = model.extractors ?? {};
  if (mode !== 'image' && (model.tokenizer ?? text) === undefined) {
    throw new InputError(
      'predict: raw text needs a tokenizer, and the model has none; ' +
        'pass tokenizer: await BertTokenizer.fromPretrained(...) to the model',
    );
  }
  if (mode !== 'text' && (model.processor ?? image) === undefined) {
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
  if (mode === 'image' || model.extractors?.text || positions.length === 1) return positions;
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
  const features = await extractFeatures(model, rows, mode, options);
  const inputs = await readRows(model, rows, mode, options);
  try {
    const temperature = temperatureOf(model.calibration, mode);
    const values = Array.from(await classify(inputs, mode, temperature, features));
    const count = model.labels.length;
    const thresholds = thresholdsOf(model, mode, options);
    return rows.map((_, i) => {
      const found = answer(model.labels, values.slice(i * count, (i + 1) * count));
      const least = thresholds?.get(found.label);
      return least === undefined ? found : { ...found, abstained: found.probability < least };
    });
  } finally {
    tf.dispose([{ ...inputs.text }, inputs.image ?? []]);
  }
}

/** The features of the inputs that an extractor reads, of those that a mode needs. */
async function extractFeatures(
  model: RowReader,
  rows: readonly RawInput[],
  mode: Mode,
  options: PredictOptions,
): Promise<HostFeatures> {
  const { text, image } = model.extractors ?? {};
  const maxLength = model.textLength(options.maxLength);
  const texts = rows.map((row) => row.text!);
  const read = (source: ImageSource): Promise<PixelValues> => image!.readImage(source);
  return {
    ...(text && mode !== 'image' && { text: await text.extractTexts(texts, { maxLength }) }),
    ...(image &&
      mode !== 'text' && {
        image: await image.extractImages(await Promise.all(rows.map((row) => read(row.image!)))),
      }),
  };
}

async function readRows(
  model: RowReader,
  rows: readonly RawInput[],
  mode: Mode,
  options: PredictOptions,
): Promise<ModelInput> {
  const extractors = model.extractors ?? {};
  const tokenizer = mode === 'image' || extractors.text ? undefined : model.tokenizer!;
  const processor = mode === 'text' || extractors.image ? undefined : model.processor!;
  const [texts, images] = [rows.map((row) => row.text!), rows.map((row) => row.image!)];
  const maxLength = model.textLength(options.maxLength);
  // Few lengths, so that an engine that compiles meets few shapes.
  const text = tokenizer?.encode(texts, { maxLength, padToMultipleOf: 8 });
  try {
    return { text, image: await processor?.process(images) };
  } catch (error) {
    tf.dispose({ ...text });
    throw error;
  }
}

/** The least probability of an answer by its label; nothing where no answer is to be withheld. */
function thresholdsOf(
  { labels, calibration }: RowReader,
  mode: Mode,
  { threshold, minimumPrecision }: PredictOptions,
): ReadonlyMap<string, number> | undefined {
  if (threshold === undefined && minimumPrecision === undefined) return undefined;
  const given = (label: string): number =>
    typeof threshold === 'number' ? threshold : (threshold?.[label] ?? 0);
  const precise = (label: string): number =>
    minimumPrecision === undefined ? 0 : thresholdFor(calibration, mode, label, minimumPrecision);
  return new Map(labels.map((label) => [label, Math.max(given(label), precise(label))]));
}

/** @throws InputError where a threshold is no probability, or that of a label which is not there */
function checkThresholds(
  labels: readonly string[],
  { threshold = {}, minimumPrecision = 0 }: PredictOptions,
): void {
  const given = typeof threshold === 'number' ? { threshold } : threshold;
  for (const [name, value] of [
    ...Object.entries(given),
    ['minimumPrecision', minimumPrecision] as const,
  ]) {
    if (value >= 0 && value <= 1) continue;
    throw new InputError(`predict: ${name} must be a number from 0 to 1, got ${value}`);
  }
  const unknown = Object.keys(threshold).find((label) => !labels.includes(label));
  if (unknown === undefined) return;
  throw new InputError(
    `predict: threshold must name labels of the model (${labels.join(', ')}), got '${unknown}'`,
  );
}

function answer(labels: readonly string[], values: ArrayLike<number>): Prediction {
  const probabilities = Object.fromEntries(labels.map((label, i) => [label, values[i]!]));
  const best = labels.reduce((a, b) => (probabilities[b]! > probabilities[a]! ? b : a));
  return { label: best, probability: probabilities[best]!, probabilities };
}
