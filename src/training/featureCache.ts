import * as tf from '@tensorflow/tfjs-core';
import { batches } from '../datasets/batch.js';
import type { Batch, BatchOptions, ImageReader } from '../datasets/batch.js';
import type { Dataset, Example } from '../datasets/example.js';
import type { FeatureReader } from '../datasets/features.js';
import { tokenLengths } from '../datasets/rowLengths.js';
import { InputError } from '../errors.js';
import type { BertResNetModel } from '../model.js';
import { encoderOf } from './cachedInputs.js';
import type { Input } from './cachedInputs.js';
import { encodeBatch, holds } from './encodeBatch.js';
import { nextTurn } from '../eventLoop.node.js';
import type { FeatureSpace } from './featureSpace.js';
import type { FeatureStore } from './featureStore.js';

/** How features are computed that are not there yet. */
export interface CacheOptions {
  /** The folder of the cache; true: the one that all runs share. */
  readonly folder: true | string;
  /** Reads the pictures. */
  readonly processor?: ImageReader;
  readonly maxLength?: number;
  /** Rows at a time. */
  readonly batchSize: number;
  readonly prefetch: number;
  readonly signal?: AbortSignal;
  readonly warn: (warning: string) => void;
  /** Told how many rows of a data set have their features, now and then. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Rows that are looked up, and computed where they are missing, at a time. */
const chunkRows = 4096;
/** Pictures that are hashed at a time. */
const hashedAtOnce = 32;

/**
 * The features of one input, on disk: by the content of a row, the weights and configuration of the
 * encoder, what reads the input (tokenizer and length, or image processor), and the backend.
 */
export class FeatureCache {
  readonly #store: FeatureStore;
  readonly #model: BertResNetModel;
  readonly #input: Input;
  readonly #options: CacheOptions;

  private constructor(
    store: FeatureStore,
    model: BertResNetModel,
    input: Input,
    options: CacheOptions,
  ) {
    this.#store = store;
    this.#model = model;
    this.#input = input;
    this.#options = options;
  }

  /** @throws InputError where the folder cannot be written. */
  static async open(
    model: BertResNetModel,
    input: Input,
    options: CacheOptions,
  ): Promise<FeatureCache> {
    const { FeatureStore } = await import('./featureStore.js');
    const { featureFolder } = await import('./featureFolder.node.js');
    const space = await spaceOf(model, input, options.maxLength);
    const store = await FeatureStore.open(featureFolder(options.folder), space, options.warn);
    return new FeatureCache(store, model, input, options);
  }

  /** The features of every row of a data set; those that are missing are computed and written. */
  async fill(dataset: Dataset): Promise<FeatureReader> {
    const entries = new Int32Array(dataset.size).fill(-1);
    try {
      for (let start = 0; start < dataset.size; start += chunkRows) {
        const count = Math.min(chunkRows, dataset.size - start);
        const positions = Array.from({ length: count }, (_, i) => start + i);
        const keys = await this.#lookUp(dataset, positions, start);
        keys.forEach((key, i) => {
          if (key !== undefined) entries[start + i] = this.#store.find(key) ?? -1;
        });
        this.#options.onProgress?.(start + count, dataset.size);
      }
    } finally {
      await this.#store.flush(); // What was computed before an abort need not be computed again.
    }
    const { featureSize: size } = encoderOf(this.#model, this.#input);
    return readerOf(this.#store, entries, size);
  }

  /** Forgets which content has which features, once all data sets are filled. */
  finish(): Promise<void> {
    return this.#store.finish();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** The keys of rows, all of which the store then has, but those of pictures that cannot be decoded. */
  async #lookUp(
    dataset: Dataset,
    positions: readonly number[],
    done: number,
  ): Promise<(string | undefined)[]> {
    this.#options.signal?.throwIfAborted();
    const examples = await dataset.examples(positions);
    const keys = await this.#keysOf(dataset, examples, positions);
    const missing = new Map<string, number>(); // by its key, one row of that content
    keys.forEach((key, i) => {
      if (key !== undefined && this.#store.find(key) === undefined) missing.set(key, i);
    });
    const rows = await this.#longestFirst([...missing.values()], examples);
    const keyAt = new Map(rows.map((row) => [positions[row]!, keys[row]!]));
    await this.#compute(dataset, [...keyAt.keys()], keyAt, done);
    return keys;
  }

  async #keysOf(
    dataset: Dataset,
    examples: readonly Example[],
    positions: readonly number[],
  ): Promise<(string | undefined)[]> {
    const { textKey } = await import('./featureKeys.js');
    if (this.#input === 'text')
      return examples.map(({ text }) => (text === undefined ? undefined : textKey(text)));
    const keys: (string | undefined)[] = [];
    for (let start = 0; start < examples.length; start += hashedAtOnce) {
      this.#options.signal?.throwIfAborted();
      const part = examples.slice(start, start + hashedAtOnce);
      const keyed = part.map((example, i) => pictureKey(dataset, example, positions[start + i]!));
      keys.push(...(await Promise.all(keyed)));
    }
    return keys;
  }

  async #longestFirst(rows: readonly number[], examples: readonly Example[]): Promise<number[]> {
    if (this.#input === 'image' || this.#model.extractors.text) return [...rows];
    const texts = rows.map((row) => examples[row]!.text!);
    const lengths = await tokenLengths(texts, this.#model.tokenizer!, this.#options.maxLength);
    return [...rows.keys()]
      .toSorted((a, b) => lengths[b]! - lengths[a]!)
      .map((index) => rows[index]!);
  }

  async #compute(
    dataset: Dataset,
    order: readonly number[],
    keyAt: ReadonlyMap<number, string>,
    done: number,
  ): Promise<void> {
    const { batchSize, prefetch, maxLength, signal, processor } = this.#options;
    const { tokenizer, extractors } = this.#model;
    const how: BatchOptions = { batchSize, prefetch, maxLength, signal, order };
    const input = this.#input;
    const readers = { mode: input, tokenizer, processor, extractors };
    for await (const batch of batches(dataset, { ...how, ...readers })) {
      signal?.throwIfAborted();
      if (holds(batch, input)) await this.#keep(batch, keyAt);
      done += batch.size;
      this.#options.onProgress?.(done, dataset.size);
      await nextTurn();
    }
  }

  async #keep(batch: Batch, keyAt: ReadonlyMap<number, string>): Promise<void> {
    const present = this.#input === 'text' ? batch.hasText : batch.hasImage;
    const features = await featuresOf(this.#model, batch, this.#input);
    const size = features.length / batch.size;
    for (const [row, position] of batch.positions.entries()) {
      if (!present[row]!) continue;
      await this.#store.add(keyAt.get(position)!, features.subarray(row * size, (row + 1) * size));
    }
  }
}

/** The key of a row's picture; undefined where it has none, or none that the policy lets stop the run. */
async function pictureKey(
  dataset: Dataset,
  { image }: Example,
  position: number,
): Promise<string | undefined> {
  if (image === undefined) return undefined;
  const { imageKey } = await import('./featureKeys.js');
  try {
    return await imageKey(image);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if ((dataset.onBadRow ?? 'error') !== 'error') return undefined;
    const row = dataset.describe(position, 'image');
    throw new InputError(`${row}: ${error.message}`, { cause: error });
  }
}

/** All that features depend on beside the content of a row. */
async function spaceOf(
  model: BertResNetModel,
  input: Input,
  maxLength?: number,
): Promise<FeatureSpace> {
  const { hashEncoder, hashJson } = await import('./featureKeys.js');
  const encoder = encoderOf(model, input);
  const reader = readerConfig(model, input, maxLength);
  const hash = hashJson(input, await hashEncoder(encoder), reader, tf.getBackend());
  return { input, hash, size: encoder.featureSize };
}

/** What reads an input, as JSON; an encoder that reads rows as they are has it in its own configuration. */
function readerConfig(
  { tokenizer, processor, extractors }: BertResNetModel,
  input: Input,
  maxLength: number | null = null,
): unknown {
  if (extractors[input]) return input === 'text' ? maxLength : null;
  if (input === 'image') return processor!.config;
  return [tokenizer!.toJSON(), tokenizer!.toConfigJSON(), maxLength];
}

/** Row-major [rows, size of a vector]. */
async function featuresOf(
  model: BertResNetModel,
  batch: Batch,
  input: Input,
): Promise<Float32Array> {
  const features = tf.tidy(() => encodeBatch(model, batch, { mode: input })[input]!);
  try {
    return (await features.data()) as Float32Array;
  } finally {
    features.dispose();
  }
}

function readerOf(store: FeatureStore, entries: Int32Array, size: number): FeatureReader {
  const has = (position: number): boolean => entries[position]! !== -1;
  const read = async (positions: readonly number[]): Promise<Float32Array> => {
    const all = new Float32Array(positions.length * size);
    const rows = positions.map(async (position, row) => {
      if (has(position)) all.set(await store.read(entries[position]!), row * size);
    });
    await Promise.all(rows);
    return all;
  };
  return { size, has, read };
}
