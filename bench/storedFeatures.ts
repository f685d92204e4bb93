/**
 * What frozen encoders say of every row, computed once and kept in a file, and encoders that look it up: fusions of pooled
 * features and of sequences then train in seconds, through the library's own `Trainer`, on rows that name their place.
 */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { batches, toTensors } from '../src/datasets/batch.js';
import type { Batch, BatchOptions } from '../src/datasets/batch.js';
import type { Dataset } from '../src/datasets/example.js';
import { datasetFrom } from '../src/datasets/exampleDataset.js';
import { ImageProcessor } from '../src/datasets/image.js';
import { BertTokenizer } from '../src/datasets/tokenizer.js';
import { BertEncoder } from '../src/encoders/bert.js';
import type { BertConfig } from '../src/encoders/bertConfig.js';
import { poolTokens } from '../src/encoders/pooling.js';
import type { ImagePooling } from '../src/encoders/pooling.js';
import type { ImageEncoder, TextEncoder, TextInput } from '../src/encoders/encoder.js';
import type { BertResNetModel } from '../src/model.js';
import { Module } from '../src/nn/module.js';
import { readSafetensors, writeSafetensors } from '../src/weights/safetensors.js';

/** Texts are cut here, so that all fit into one table. */
export const maxLength = 64;

/** The features of all rows, those of one data set after those of the other. */
export interface Stored {
  /** [rows, textSize] */
  readonly text: tf.Tensor2D;
  /** [rows, imageSize] */
  readonly image: tf.Tensor2D;
  /** [rows, maxLength, tokenSize], zero behind the end of a text. */
  readonly tokens: tf.Tensor3D;
  /** [rows, places, regionSize] */
  readonly regions: tf.Tensor3D;
  /** [rows]: tokens of each text. */
  readonly lengths: tf.Tensor1D;
}

/** Reads the features from a file, which is made where it is not there yet. */
export async function storedFeatures(
  path: string,
  datasets: readonly Dataset[],
  makeModel: () => Promise<BertResNetModel>,
): Promise<Stored> {
  if (!existsSync(path)) await compute(path, datasets, await makeModel());
  return (await readSafetensors(path)) as unknown as Stored;
}

async function compute(
  path: string,
  datasets: readonly Dataset[],
  model: BertResNetModel,
): Promise<void> {
  model.freeze({ text: true, image: true });
  const { tokenizer, processor } = model;
  await keep(path, datasets, { tokenizer, processor }, (batch) => {
    const inputs = toTensors(batch);
    const { text, image, imageRegions, textTokens, textMask } = model.encode(
      inputs,
      { mode: 'both' },
      'sequences',
    );
    const mask = tf.cast(textMask!, 'float32');
    return {
      ...{ text: text!, image: image!, regions: imageRegions! },
      tokens: tf.mul(textTokens!, tf.expandDims(mask, 2)),
      lengths: tf.sum(mask, 1),
    };
  });
}

/** Writes what a function says of all batches, [rows, ...] each. */
async function keep(
  path: string,
  datasets: readonly Dataset[],
  readers: Pick<BatchOptions, 'tokenizer' | 'processor'>,
  encode: (batch: Batch) => Record<string, tf.Tensor>,
): Promise<void> {
  const rows = datasets.reduce((sum, { size }) => sum + size, 0);
  const tables = new Map<string, { shape: number[]; values: Float32Array }>();
  const put = (name: string, row: number, [, ...shape]: number[], values: Float32Array): void => {
    const size = shape.reduce((product, length) => product * length, 1);
    if (!tables.has(name))
      tables.set(name, { shape: [rows, ...shape], values: new Float32Array(rows * size) });
    tables.get(name)!.values.set(values, row * size);
  };
  let done = 0;
  for (const dataset of datasets) {
    const options = { batchSize: 32, maxLength, padToMultipleOf: maxLength, ...readers };
    for await (const batch of batches(dataset, options)) {
      const features = tf.tidy(() => encode(batch));
      for (const [name, tensor] of Object.entries(features))
        put(name, done, tensor.shape, (await tensor.data()) as Float32Array);
      tf.dispose(features);
      done += batch.size;
      if (done % 320 === 0) console.error(`features: ${done} of ${rows} rows`);
    }
  }
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, Object.fromEntries(tables));
}

const firstId = 6;
const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'x'];

/** A tokenizer whose words are numbers of rows. */
export function rowTokenizer(rows: number): Promise<BertTokenizer> {
  const numbers = Array.from({ length: rows }, (_, row) => String(row));
  return BertTokenizer.fromVocab([...words, ...numbers], { maxLength });
}

/** What reads a picture of one pixel, whose red, green and blue are the bytes of a row's number. */
export const rowProcessor = (): ImageProcessor =>
  new ImageProcessor({
    size: { height: 1, width: 1 },
    doCenterCrop: false,
    doRescale: false,
    doNormalize: false,
  });

/** Rows that name their places in the tables, in texts as long as those that they stand for. */
export async function rowsOf(dataset: Dataset, first: number, stored: Stored): Promise<Dataset> {
  const lengths = await stored.lengths.data();
  const examples = await dataset.examples(Array.from({ length: dataset.size }, (_, i) => i));
  const named = examples.map(({ label }, i) => {
    const row = first + i;
    return {
      text: `${row}${' x'.repeat(Math.max(0, lengths[row]! - 3))}`,
      image: { width: 1, height: 1, data: Uint8Array.of(row, row >> 8, row >> 16, 255) },
      label: dataset.labels[label!]!,
    };
  });
  return datasetFrom(named, { labels: dataset.labels, name: dataset.name });
}

/** Looks up what a frozen text encoder said. */
export class StoredText extends Module implements TextEncoder {
  readonly config = { modelType: 'stored' };
  readonly featureSize: number;
  readonly sequenceSize: number;

  constructor(readonly stored: Stored) {
    super();
    this.frozen = true;
    this.featureSize = stored.text.shape[1];
    this.sequenceSize = stored.tokens.shape[2];
  }

  forward({ inputIds }: TextInput): tf.Tensor2D {
    return tf.tidy(() => tf.gather(this.stored.text, rowNumbers(inputIds)));
  }

  sequence({ inputIds }: TextInput): tf.Tensor3D {
    return tf.tidy(() => {
      const length = inputIds.shape[1];
      const tokens = tf.gather(this.stored.tokens, rowNumbers(inputIds));
      return tf.slice(tokens, [0, 0, 0], [-1, length, -1]);
    });
  }

  poolSequence(_: tf.Tensor3D, text: TextInput): tf.Tensor2D {
    return this.forward(text);
  }
}

/** The number behind [CLS]. */
function rowNumbers(inputIds: tf.Tensor2D): tf.Tensor1D {
  const first = tf.slice(inputIds, [0, 1], [-1, 1]);
  return tf.sub(tf.reshape<tf.Rank.R1>(first, [-1]), tf.scalar(firstId, 'int32'));
}

/** Looks up what a frozen visual encoder said. */
export class StoredImage extends Module implements ImageEncoder {
  readonly config = { modelType: 'stored' };
  readonly featureSize: number;
  readonly sequenceSize: number;
  /** [rows, featureSize] */
  readonly #pooled: tf.Tensor2D;

  constructor(
    readonly stored: Stored,
    readonly pooling: readonly ImagePooling[] = ['mean'],
  ) {
    super();
    this.frozen = true;
    this.#pooled = tf.tidy(() => poolTokens(stored.regions, pooling));
    this.featureSize = this.#pooled.shape[1];
    this.sequenceSize = stored.regions.shape[2];
  }

  override dispose(): void {
    super.dispose();
    this.#pooled.dispose();
  }

  forward(image: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => tf.gather(this.#pooled, numbersOf(image)));
  }

  sequence(image: tf.Tensor4D): tf.Tensor3D {
    return tf.tidy(() => tf.gather(this.stored.regions, numbersOf(image)));
  }

  poolSequence(regions: tf.Tensor3D): tf.Tensor2D {
    return tf.tidy(() => poolTokens(regions, this.pooling));
  }
}

/** The number in the bytes of a pixel. */
function numbersOf(image: tf.Tensor4D): tf.Tensor1D {
  const bytes = tf.reshape<tf.Rank.R2>(image, [-1, 3]);
  return tf.cast(tf.sum<tf.Tensor1D>(tf.mul(bytes, tf.tensor1d([1, 256, 65536])), 1), 'int32');
}

/**
 * BERT whose embeddings and first layers are frozen and were computed once: the layers above them are its own, and trained.
 */
export class UpperBert extends BertEncoder {
  readonly #states: tf.Tensor3D;

  private constructor(states: tf.Tensor3D, config: Partial<BertConfig>) {
    super(config, { initialize: false });
    this.#states = states;
    this.embeddings.frozen = true;
  }

  /** What leaves the layer `below` of every row, from a file, which is made where it is not there yet. */
  static async states(
    path: string,
    datasets: readonly Dataset[],
    whole: { readonly encoder: BertEncoder; readonly tokenizer: BertTokenizer },
    below: number,
  ): Promise<tf.Tensor3D> {
    if (!existsSync(path)) {
      const { encoder, tokenizer } = whole;
      await keep(path, datasets, { tokenizer }, (batch) => {
        const { text } = toTensors(batch);
        return { states: encoder.hiddenStates(text!, { training: false })[below]! };
      });
    }
    return (await readSafetensors(path))['states'] as tf.Tensor3D;
  }

  /**
   * The layers from `below` on, with the weights that they have in the whole, and its embeddings but for those of words,
   * which the states hold: without layers below, vectors are embedded as the whole embeds them.
   */
  static from(states: tf.Tensor3D, whole: BertEncoder, below: number): UpperBert {
    const { modelType: _, ...config } = whole.config;
    const numHiddenLayers = config.numHiddenLayers - below;
    const upper = new UpperBert(states, { ...config, numHiddenLayers, vocabSize: 1 });
    const weights = whole.stateDict();
    const own = Object.entries(weights).flatMap(([name, value]) => {
      if (/^embeddings\.(?!word_)/.test(name)) return [[name, value] as const];
      const layer = /^encoder\.layer\.(\d+)\.(.*)$/.exec(name);
      const index = layer === null ? -1 : Number(layer[1]) - below;
      return index < 0 ? [] : [[`encoder.layer.${index}.${layer![2]}`, value] as const];
    });
    upper.loadStateDict(Object.fromEntries(own), { strict: false });
    tf.dispose(weights);
    return upper;
  }

  override embedText({ inputIds }: TextInput): tf.Tensor3D {
    return tf.tidy(() => {
      const states = tf.gather(this.#states, rowNumbers(inputIds));
      return tf.slice(states, [0, 0, 0], [-1, inputIds.shape[1], -1]);
    });
  }
}
