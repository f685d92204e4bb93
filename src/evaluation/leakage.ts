import { hashStrings } from '../datasets/csvHash.js';
import type { Dataset, Example, ImageSource } from '../datasets/example.js';
import { decodeImage } from '../datasets/image.node.js';
import { completeConfig } from '../datasets/imageConfig.js';
import { InputError } from '../errors.js';
import { finalize } from '../nn/random.js';
import { imagePrint, NearImages } from './nearImages.js';
import type { ImagePrint } from './nearImages.js';
import { NearTexts, normalizedText, shingles } from './nearTexts.js';

/** Where a text or a picture of the test was found in the training. */
export interface LeakedPart {
  /** The position of the row in the data that was trained on. */
  readonly train: number;
  /** What that row is called. */
  readonly trainRow: string;
  /** Whether the two are equal: texts up to case, links and white space, pictures in every pixel. */
  readonly same: boolean;
  /** How near they are, 0 to 1: the Jaccard similarity of texts, the share of equal bits of pictures. */
  readonly similarity: number;
}

/** A row whose text or picture was trained on. */
export interface LeakedRow {
  /** Its position in the data that is tested on. */
  readonly position: number;
  /** What the row is called. */
  readonly row: string;
  readonly text?: LeakedPart;
  readonly image?: LeakedPart;
}

/** What {@link findLeakage} finds. */
export interface LeakageReport {
  /** What the data are called, and how many rows they have. */
  readonly train: { readonly name: string; readonly rows: number };
  readonly test: { readonly name: string; readonly rows: number };
  /** How many rows of the test have a text, a picture, or either that was trained on. */
  readonly counts: {
    readonly sameText: number;
    readonly nearText: number;
    readonly sameImage: number;
    readonly nearImage: number;
    readonly rows: number;
  };
  /** Pictures that could not be read, and so were not compared. */
  readonly unreadable: number;
  /** The rows, in the order of the test. */
  readonly rows: readonly LeakedRow[];
}

/** How leakage is looked for. */
export interface LeakageOptions {
  /** Texts of at least this Jaccard similarity are near (default 0.8). */
  readonly textSimilarity?: number;
  /** Whether pictures are compared, each of which is read for it (default true). */
  readonly images?: boolean;
  readonly signal?: AbortSignal;
  /** Told how many rows of both data sets were read. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The rows of a test whose text or picture, equal or nearly so, was trained on: a score on them says
 * how well the model remembers.
 *
 * Texts are equal by what is left of them without case, links and kinds of white space, and near by
 * the runs of five characters that they share (Jaccard similarity). Pictures are equal by their
 * pixels, and near where their difference hashes (128 bits) differ in at most 7 bits and their
 * colours little: a copy that was compressed anew or resized is found, one that was cropped is not.
 *
 * @throws InputError where an option cannot be used.
 */
export async function findLeakage(
  train: Dataset,
  test: Dataset,
  options: LeakageOptions = {},
): Promise<LeakageReport> {
  const { textSimilarity = 0.8 } = options;
  if (!(textSimilarity > 0 && textSimilarity <= 1)) {
    throw new InputError(
      `findLeakage: textSimilarity must lie above 0 and at most at 1, got ${textSimilarity}`,
    );
  }
  let done = 0;
  const onRows = (rows: number): void => {
    done += rows;
    options.onProgress?.(done, train.size + test.size);
  };
  const known = await partsOf(train, options, onRows);
  const asked = await partsOf(test, options, onRows);
  const texts = findTexts(known.texts, asked.texts, textSimilarity);
  const images = findImages(known.images, asked.images);
  const named = (found: Found): LeakedPart => ({ ...found, trainRow: train.describe(found.train) });
  const rows: LeakedRow[] = [];
  for (let position = 0; position < test.size; position++) {
    const [text, image] = [texts[position], images[position]];
    if (text === undefined && image === undefined) continue;
    const parts = { ...(text && { text: named(text) }), ...(image && { image: named(image) }) };
    rows.push({ position, row: test.describe(position), ...parts });
  }
  return {
    train: { name: train.name, rows: train.size },
    test: { name: test.name, rows: test.size },
    counts: {
      rows: rows.length,
      sameText: rows.filter(({ text }) => text?.same === true).length,
      nearText: rows.filter(({ text }) => text?.same === false).length,
      sameImage: rows.filter(({ image }) => image?.same === true).length,
      nearImage: rows.filter(({ image }) => image?.same === false).length,
    },
    unreadable: known.unreadable + asked.unreadable,
    rows,
  };
}

type Found = Omit<LeakedPart, 'trainRow'>;

/** What is compared of a picture. */
interface Picture {
  readonly pixels: number;
  readonly print: ImagePrint;
}

/** What is compared of the rows of a data set, by position. */
interface Parts {
  /** Normalised; absent where nothing is left. */
  readonly texts: (string | undefined)[];
  readonly images: (Picture | undefined)[];
  unreadable: number;
}

/** Rows that are read at a time. */
const chunk = 32;

async function partsOf(
  dataset: Dataset,
  { images = true, signal }: LeakageOptions,
  onRows: (rows: number) => void,
): Promise<Parts> {
  const parts: Parts = { texts: [], images: [], unreadable: 0 };
  for (let start = 0; start < dataset.size; start += chunk) {
    signal?.throwIfAborted();
    const length = Math.min(chunk, dataset.size - start);
    const positions = Array.from({ length }, (_, i) => start + i);
    const examples = await dataset.examples(positions);
    parts.texts.push(...examples.map(({ text }) => normalizedText(text ?? '') || undefined));
    if (images) parts.images.push(...(await Promise.all(examples.map((one) => look(one, parts)))));
    onRows(length);
  }
  return parts;
}

async function look({ image }: Example, parts: Parts): Promise<Picture | undefined> {
  if (image === undefined) return undefined;
  try {
    return await pictureOf(image);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    parts.unreadable += 1;
    return undefined;
  }
}

async function pictureOf(source: ImageSource): Promise<Picture> {
  const image = await decodeImage(source, { maxPixels: completeConfig({}).maxPixels });
  return { pixels: hashPixels(image.data, image.width), print: imagePrint(image) };
}

/** A 53-bit hash of pixels. */
function hashPixels(data: ArrayLike<number>, width: number): number {
  let [low, high] = [0x811c9dc5 ^ width, 0x9e3779b9 ^ width];
  for (let i = 0; i < data.length; i++) {
    low = Math.imul(low ^ data[i]!, 0x01000193);
    high = Math.imul(high ^ data[i]!, 0x85ebca6b) + 1;
  }
  return (finalize(high) & 0x1fffff) * 2 ** 32 + (finalize(low) >>> 0);
}

function findTexts(
  known: Parts['texts'],
  asked: Parts['texts'],
  least: number,
): (Found | undefined)[] {
  const same = firstPositions(known.map((text) => (text === undefined ? text : hashStrings(text))));
  const held = known.flatMap((text, position) => (text === undefined ? [] : [{ text, position }]));
  const near = new NearTexts(
    held.map(({ text }) => shingles(text)),
    least,
  );
  return asked.map((text) => {
    if (text === undefined) return undefined;
    const equal = same.get(hashStrings(text));
    if (equal !== undefined) return { train: equal, same: true, similarity: 1 };
    const found = near.nearest(shingles(text));
    if (found === undefined) return undefined;
    const { index, similarity } = found;
    return { train: held[index]!.position, same: false, similarity };
  });
}

function findImages(known: Parts['images'], asked: Parts['images']): (Found | undefined)[] {
  const same = firstPositions(known.map((picture) => picture?.pixels));
  const held = known.flatMap((picture, position) => (picture ? [{ picture, position }] : []));
  const near = new NearImages(held.map(({ picture }) => picture.print));
  return asked.map((picture) => {
    if (picture === undefined) return undefined;
    const equal = same.get(picture.pixels);
    if (equal !== undefined) return { train: equal, same: true, similarity: 1 };
    const found = near.nearest(picture.print);
    if (found === undefined) return undefined;
    const { index, distance } = found;
    return { train: held[index]!.position, same: false, similarity: 1 - distance / 128 };
  });
}

/** The first position of each key. */
function firstPositions(keys: readonly (number | undefined)[]): Map<number, number> {
  const first = new Map<number, number>();
  keys.forEach((key, position) => {
    if (key !== undefined && !first.has(key)) first.set(key, position);
  });
  return first;
}
