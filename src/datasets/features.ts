import type { ImageSource } from './example.js';

/** Features of the rows of a data set that were computed before. */
export interface FeatureReader {
  /** The length of a feature vector. */
  readonly size: number;
  /** Whether a row has features: it has the input, and that can be read. */
  has(position: number): boolean;
  /** Row-major [positions.length, size]; all zero where a row has none. */
  read(positions: readonly number[]): Promise<Float32Array>;
}

/** The inputs whose features are at hand; they are read instead of tokens and pixels. */
export interface KnownFeatures {
  readonly text?: FeatureReader;
  readonly image?: FeatureReader;
}

/** Features of a batch on the host, row-major [size, length of a vector]. */
export interface HostFeatures {
  readonly text?: Float32Array;
  readonly image?: Float32Array;
}

/** The features of the rows of a batch; undefined where none are known. */
export async function readFeatures(
  { text, image }: KnownFeatures,
  positions: readonly number[],
): Promise<HostFeatures | undefined> {
  if (text === undefined && image === undefined) return undefined;
  const [texts, images] = await Promise.all([text?.read(positions), image?.read(positions)]);
  return { ...(texts && { text: texts }), ...(images && { image: images }) };
}

/** Gives the features of texts where no tensors are: what a frozen encoder of another library has. */
export interface TextExtractor {
  /** The length of a feature vector. */
  readonly featureSize: number;
  /** Row-major [texts.length, featureSize]; texts are cut at `maxLength` tokens. */
  readonly extractTexts: (
    texts: readonly string[],
    options?: { readonly maxLength?: number },
  ) => Promise<Float32Array>;
}

/** A picture as the processor of an encoder made it, row-major. */
export interface PixelValues {
  readonly data: Float32Array;
  /** Such as [channels, height, width]. */
  readonly shape: readonly number[];
}

/** Gives the features of pictures where no tensors are. */
export interface ImageExtractor {
  /** The length of a feature vector. */
  readonly featureSize: number;
  /** Decodes and processes one picture. An InputError says that it is unreadable. */
  readonly readImage: (source: ImageSource) => Promise<PixelValues>;
  /** Row-major [pictures.length, featureSize]. */
  readonly extractImages: (pictures: readonly PixelValues[]) => Promise<Float32Array>;
}

/** What gives features of rows as they are; these inputs are neither tokenised nor made into tensors. */
export interface FeatureExtractors {
  readonly text?: TextExtractor;
  readonly image?: ImageExtractor;
}

/**
 * What an extractor gives of the rows that have something, each in its place, the others zero.
 *
 * @returns row-major [rows.length, size]
 */
export async function extractRows<T>(
  rows: readonly (T | undefined)[],
  size: number,
  extract: (present: readonly T[]) => Promise<Float32Array>,
): Promise<Float32Array> {
  const all = new Float32Array(rows.length * size);
  const places = rows.flatMap((row, place) => (row === undefined ? [] : [place]));
  if (places.length === 0) return all;
  const features = await extract(places.map((place) => rows[place]!));
  places.forEach((place, i) => all.set(features.subarray(i * size, (i + 1) * size), place * size));
  return all;
}
