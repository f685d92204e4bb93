import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { Random } from '../nn/random.js';
import { changedInputs, checkAugmentation } from './augmentation.js';
import type { Augmentation } from './augmentation.js';
import { readTexts, textsOf } from './batchText.js';
import type { Dataset, Example, ImageSource } from './example.js';
import { extractRows, readFeatures } from './features.js';
import type {
  FeatureExtractors,
  HostFeatures,
  ImageExtractor,
  KnownFeatures,
  PixelValues,
  TextExtractor,
} from './features.js';
import { Gate, prefetch } from './prefetch.js';

/** Token ids of a batch on the host, row-major [size, length]. */
export interface HostText {
  readonly inputIds: Int32Array;
  readonly attentionMask: Int32Array;
  readonly tokenTypeIds: Int32Array;
  readonly length: number;
}

/** Normalised pixels of a batch on the host, row-major [size, height, width, 3]. */
export interface HostImage {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/**
 * Rows ready for the model, on the host: tensors are made of them only when a step runs, so that
 * batches that were prefetched and never used cost nothing to drop.
 */
export interface Batch {
  /** The number of rows. */
  readonly size: number;
  /** The positions of the rows in their data set. */
  readonly positions: readonly number[];
  /** Absent where no row has a text; a row without one is all padding (its mask is zero). */
  readonly text?: HostText;
  /** Absent where no row has a picture; a row without one is all zero. */
  readonly image?: HostImage;
  readonly hasText: readonly boolean[];
  readonly hasImage: readonly boolean[];
  /** An index into the labels for each row; -1 where the row has none. */
  readonly labels: Int32Array;
  /** Features that were known or extracted, instead of the text or the picture. */
  readonly features?: HostFeatures;
  /**
   * The positions whose picture could not be read and is treated as missing, where the policy
   * allows that.
   */
  readonly unreadable?: readonly number[];
}

/** What turns texts into token ids: `BertTokenizer` is one. */
export interface TextReader {
  /** The longest row, in tokens, where a call does not say. */
  readonly maxLength?: number;
  /** Token ids of texts, padded to the longest of them. */
  encodeHost(
    texts: readonly string[],
    options?: { maxLength?: number; padToMultipleOf?: number },
  ): HostText | Promise<HostText>;
}

/** What turns a picture into pixels: `ImageProcessor` is one. */
export interface ImageReader {
  readonly size: { readonly height: number; readonly width: number };
  /**
   * The normalised pixels of one picture, row-major [height, width, 3]. An InputError says that it
   * is unreadable.
   */
  load(
    source: ImageSource,
    options?: { augment?: Augmentation; random?: Random },
  ): Promise<Float32Array>;
}

/** What batches are made of, and how. */
export interface BatchOptions {
  /** The number of rows of a batch; the last one may have fewer. */
  readonly batchSize: number;
  /** The positions of the rows, in order (default all of them, as they stand). */
  readonly order?: ArrayLike<number>;
  /** Reads the texts; without it batches have none. */
  readonly tokenizer?: TextReader;
  /** Reads the pictures; without it batches have none. */
  readonly processor?: ImageReader;
  /** Inputs whose features are known: these are read, and neither tokenised nor decoded. */
  readonly features?: KnownFeatures;
  /** Inputs whose features are not known and are extracted, in the place of tokenizer and processor. */
  readonly extractors?: FeatureExtractors;
  /** What is read of a row; by default what there is a reader for. */
  readonly mode?: 'text' | 'image' | 'both';
  /** The number of tokens at which texts are cut. */
  readonly maxLength?: number;
  /**
   * Texts are padded to a multiple of this many tokens; by default of 8, and of an eighth of the next
   * power of two beyond 64, so that a backend that compiles meets few shapes. Padding is masked and
   * changes no figure.
   */
  readonly padToMultipleOf?: number;
  /** Random changes to texts and pictures, for training. */
  readonly augment?: Augmentation;
  /**
   * What the random changes depend on, together with the epoch and the position of a row (default
   * 42).
   */
  readonly seed?: number;
  readonly epoch?: number;
  /** How many batches are made ahead while one is used (default 2). */
  readonly prefetch?: number;
  readonly signal?: AbortSignal;
  /**
   * The number of batches to leave out at the beginning, as when an interrupted epoch goes on
   * (default 0).
   */
  readonly start?: number;
}

/**
 * Pictures that are decoded at a time, whatever the size of a batch: each holds its file while it
 * waits.
 */
const decodedAtOnce = 128;

/**
 * Reads a data set batch by batch. Rows are read, tokenised and decoded while the batch before is
 * used; what a batch holds depends on the data, the order, the seed and the epoch alone, never on
 * timing. At most `prefetch` + 1 batches are in memory.
 *
 * An unreadable picture stops at its batch with an error that names the row, unless the data set's
 * `onBadRow` is `skip` or `missing`: then the row is treated as having none, and `unreadable` names
 * it.
 *
 * @throws InputError at once for options that make no sense.
 */
export function batches(
  dataset: Dataset,
  options: BatchOptions,
): AsyncGenerator<Batch, void, undefined> {
  const readers = chooseReaders(options);
  const { batchSize, prefetch: ahead = 2, start = 0, signal } = options;
  requireInteger('batchSize', batchSize, 1);
  requireInteger('prefetch', ahead, 0);
  requireInteger('start', start, 0);
  if (options.augment) checkAugmentation(options.augment);
  const order = options.order ?? Int32Array.from({ length: dataset.size }, (_, i) => i);
  const count = Math.max(0, Math.ceil(order.length / batchSize) - start);
  if (options.augment) requireOwnPictures(options.augment, readers.imageExtractor);
  const gate = new Gate(decodedAtOnce);
  const make = (index: number, unwanted: AbortSignal) => {
    const positions = slice(order, (start + index) * batchSize, batchSize);
    return readBatch({ dataset, options, gate, unwanted, ...readers }, positions);
  };
  return prefetch(count, make, { ahead, signal });
}

/** A batch's inputs as tensors, in the shapes that a model takes. */
export interface BatchTensors {
  /** int32, [batch, length] each. */
  readonly text?: {
    readonly inputIds: tf.Tensor2D;
    readonly attentionMask: tf.Tensor2D;
    readonly tokenTypeIds: tf.Tensor2D;
  };
  /** float32, [batch, height, width, 3]. */
  readonly image?: tf.Tensor4D;
}

/** Makes tensors of a batch; the caller disposes of them. */
export function toTensors({ size, text, image }: Batch): BatchTensors {
  const ids = (values: Int32Array) => tf.tensor2d(values, [size, text!.length], 'int32');
  return {
    ...(text && {
      text: {
        inputIds: ids(text.inputIds),
        attentionMask: ids(text.attentionMask),
        tokenTypeIds: ids(text.tokenTypeIds),
      },
    }),
    ...(image && {
      image: tf.tensor4d(image.data, [size, image.height, image.width, 3], 'float32'),
    }),
  };
}

/** What reads each input: at most one of the two of it. */
interface Readers {
  readonly tokenizer?: TextReader;
  readonly textExtractor?: TextExtractor;
  readonly processor?: ImageReader;
  readonly imageExtractor?: ImageExtractor;
}

interface Reading extends Readers {
  readonly dataset: Dataset;
  readonly options: BatchOptions;
  readonly gate: Gate;
  /** Says that the batch is no longer wanted. */
  readonly unwanted: AbortSignal;
}

async function readBatch(reading: Reading, positions: readonly number[]): Promise<Batch> {
  const { options, tokenizer, textExtractor, processor, imageExtractor } = reading;
  const known = options.features ?? {};
  const examples = await reading.dataset.examples(positions);
  const [text, pictures, texts, features] = await Promise.all([
    readTexts(tokenizer, options, examples, positions),
    readImages(reading, examples, positions),
    textExtractor && extractTexts(textExtractor, options, examples, positions),
    readFeatures(known, positions),
  ]);
  const read = pictures.map((picture) => (picture === 'unreadable' ? undefined : picture));
  const images = imageExtractor && (await extractImages(imageExtractor, read));
  const hasImage = positions.map((position, i) =>
    known.image ? known.image.has(position) : read[i] !== undefined,
  );
  const reads = known.image ?? processor ?? imageExtractor;
  const unreadable = reads
    ? positions.filter((_, i) => examples[i]!.image !== undefined && !hasImage[i]!)
    : [];
  const readsText = tokenizer ?? textExtractor;
  return {
    size: positions.length,
    positions,
    text,
    image: processor && stackImages(read as (Float32Array | undefined)[], processor.size),
    hasText: examples.map((example, i) =>
      known.text ? known.text.has(positions[i]!) : !!readsText && example.text !== undefined,
    ),
    hasImage,
    labels: Int32Array.from(examples, ({ label }) => label ?? -1),
    ...((features ?? texts ?? images) && {
      features: { ...features, ...(texts && { text: texts }), ...(images && { image: images }) },
    }),
    ...(unreadable.length > 0 && { unreadable }),
  };
}

function extractTexts(
  extractor: TextExtractor,
  options: BatchOptions,
  examples: readonly Example[],
  positions: readonly number[],
): Promise<Float32Array> {
  const { maxLength } = options;
  return extractRows(textsOf(options, examples, positions), extractor.featureSize, (texts) =>
    extractor.extractTexts(texts, maxLength === undefined ? {} : { maxLength }),
  );
}

function extractImages(
  extractor: ImageExtractor,
  pictures: readonly (Float32Array | PixelValues | undefined)[],
): Promise<Float32Array> {
  return extractRows(pictures as (PixelValues | undefined)[], extractor.featureSize, (present) =>
    extractor.extractImages(present),
  );
}

/** What the processor or the extractor reads. */
type Picture = Float32Array | PixelValues | 'unreadable' | undefined;

/**
 * The pixels of every row. All loads are waited for before an error is thrown: none is left
 * running.
 */
async function readImages(
  reading: Reading,
  examples: readonly Example[],
  positions: readonly number[],
): Promise<Picture[]> {
  const pictures = await Promise.allSettled(
    examples.map(({ image }, row) => readImage(reading, image, positions[row]!)),
  );
  return pictures.map((picture) => {
    if (picture.status === 'rejected') throw picture.reason;
    return picture.value;
  });
}

async function readImage(
  reading: Reading,
  image: ImageSource | undefined,
  position: number,
): Promise<Picture> {
  const { processor, imageExtractor, options, gate, dataset } = reading;
  if (!(processor || imageExtractor) || image === undefined) return undefined;
  const { seed = 42, epoch = 0, augment } = options;
  const random = augment && { augment, random: new Random(seed, 'augment', epoch, position) };
  try {
    return await gate.run<Picture>(async () => {
      reading.unwanted.throwIfAborted();
      return imageExtractor?.readImage(image) ?? processor!.load(image, random ?? {});
    });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if ((dataset.onBadRow ?? 'error') !== 'error') return 'unreadable';
    throw new InputError(`${dataset.describe(position, 'image')}: ${error.message}`, {
      cause: error,
    });
  }
}

/** Pictures one after the other, those that are missing all zero; nothing where all of them are. */
function stackImages(
  pictures: readonly (Float32Array | undefined)[],
  { height, width }: { readonly height: number; readonly width: number },
): HostImage | undefined {
  if (pictures.every((picture) => picture === undefined)) return undefined;
  const length = height * width * 3;
  const data = new Float32Array(pictures.length * length); // [size, height, width, 3]
  pictures.forEach((picture, row) => {
    if (!picture) return;
    if (picture.length !== length)
      throw new Error(`internal: a picture of ${picture.length} numbers, not ${length}`);
    data.set(picture, row * length);
  });
  return { data, height, width };
}

/** The readers that the mode asks for. */
function chooseReaders({ mode, features = {}, extractors = {}, ...given }: BatchOptions): Readers {
  const [readsText, readsImage] = [
    mode !== 'image' && !features.text,
    mode !== 'text' && !features.image,
  ];
  const { text: textExtractor, image: imageExtractor } = extractors;
  const readers: Readers = {
    ...(readsText && (textExtractor ? { textExtractor } : { tokenizer: given.tokenizer })),
    ...(readsImage && (imageExtractor ? { imageExtractor } : { processor: given.processor })),
  };
  if (mode !== undefined && readsText && !(readers.tokenizer ?? textExtractor))
    throw new InputError(`batches: mode '${mode}' reads texts; pass a tokenizer`);
  if (mode !== undefined && readsImage && !(readers.processor ?? imageExtractor))
    throw new InputError(`batches: mode '${mode}' reads pictures; pass a processor`);
  const any = Object.values(readers).some((reader) => reader !== undefined);
  if (!any && !features.text && !features.image)
    throw new InputError('batches: nothing to read with; pass a tokenizer or a processor');
  return readers;
}

/**
 * Pictures that an extractor reads are processed by its own processor, which changes nothing at random.
 *
 * @throws InputError where augmentation would.
 */
export function requireOwnPictures(augment: Augmentation, extractor?: ImageExtractor): void {
  if (extractor === undefined || !changedInputs(augment).image) return;
  throw new InputError(
    'augment: pictures are read by the image encoder itself, which changes nothing at random; ' +
      'leave out what changes pictures (wordDropout may stay)',
  );
}

function slice(order: ArrayLike<number>, start: number, length: number): number[] {
  const end = Math.min(start + length, order.length);
  return Array.from({ length: end - start }, (_, i) => order[start + i]!);
}

function requireInteger(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new InputError(`batches: ${name} must be an integer from ${least} on, got ${value}`);
}
