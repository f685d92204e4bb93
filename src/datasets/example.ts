import type { LazyFile } from '../files/fileTree.js';

/**
 * A picture: a file's path (in a browser its address), encoded bytes (JPEG, PNG, WebP), a Blob of
 * them, what gives them when it is read, or decoded RGBA pixels.
 */
export type ImageSource = string | Uint8Array | ArrayBuffer | Blob | LazyFile | PixelData;

/** Decoded pixels, RGBA, 8 bits a channel: the fields of the browser's ImageData. */
export interface PixelData {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** One row: a text, a picture or both, and its label where it is known. */
export interface Example {
  readonly text?: string;
  readonly image?: ImageSource;
  /** An index into the data set's labels; absent where the row is unlabelled. */
  readonly label?: number;
}

/** What a row consists of. */
export type Part = 'text' | 'image' | 'label';

/**
 * What becomes of a row that cannot be used whole: `error` stops at it, `skip` leaves it out and
 * counts it, `missing` keeps what is good of it (a text without its picture, a picture without its
 * text).
 */
export type BadRowPolicy = 'error' | 'skip' | 'missing';

/** The name of a data set without the folders of its path, which are of one machine. */
export function shortName(name: string): string {
  return name.split(/[\\/]/).at(-1)!;
}

/**
 * Rows to train on, evaluate or predict. `CsvDataset` is one; anything with the first five members
 * serves.
 */
export interface Dataset {
  /** The number of rows. */
  readonly size: number;
  /**
   * The names of the classes, in the order of their indices; empty where there is no label column.
   */
  readonly labels: readonly string[];
  /** What the data set is called in messages, such as a path. */
  readonly name: string;
  /** Reads the rows at these positions, in this order. */
  examples(positions: readonly number[]): Promise<Example[]>;
  /**
   * How a position is named in an error: `train.csv row 17 (line 18)`, and its column where a part
   * is given.
   */
  describe(position: number, part?: Part): string;
  /** The index of a row's label, -1 where it has none, without reading the row. */
  labelOf?(position: number): number;
  /**
   * A number that rows of equal text and picture share, and other rows (in all likelihood) do not.
   */
  keyOf?(position: number): number | undefined;
  /** A hash of all that the rows are: a resumed run and a cache compare it. */
  readonly fingerprint?: string;
  /** What becomes of a row whose picture turns out to be unreadable; `error` where absent. */
  readonly onBadRow?: BadRowPolicy;
}
