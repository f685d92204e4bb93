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
