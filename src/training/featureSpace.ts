/** Whose features a store keeps. */
export interface FeatureSpace {
  readonly input: 'text' | 'image';
  /** A hash of all that features depend on beside the content of a row, in hexadecimal. */
  readonly hash: string;
  /** The length of a feature vector. */
  readonly size: number;
}
