// Pictures decoded once and kept at the size that the model sees, as a processor resizes them: training reads each
// many times.
import { ImageProcessor } from 'bertresnet';
import type { Dataset, Example, LabelledExample, PixelData } from 'bertresnet';
import type { Split } from '../protocol.js';
import type { Rows } from './divide.js';

/** The rows of each purpose, with decoded pictures. */
export interface Prepared {
  readonly parts: Readonly<Record<Split, readonly LabelledExample[]>>;
  /** The numbers of those rows in the CSV, from 1. */
  readonly numbers: Readonly<Record<Split, readonly number[]>>;
  /** The rows whose picture could not be decoded, by their numbers. */
  readonly broken: readonly number[];
}

type Progress = (done: number, total: number) => void;

const atOnce = 32;

/** Decodes the pictures of all rows to squares of so many pixels. */
export async function prepare(
  { dataset, splitOf }: Rows,
  pixels: number,
  onProgress: Progress,
): Promise<Prepared> {
  const parts: Record<Split, LabelledExample[]> = { train: [], validation: [], test: [] };
  const numbers: Record<Split, number[]> = { train: [], validation: [], test: [] };
  const broken: number[] = [];
  const processor = levelsProcessor(pixels);
  for (let start = 0; start < dataset.size; start += atOnce) {
    onProgress(start, dataset.size);
    const positions = Array.from(
      { length: Math.min(atOnce, dataset.size - start) },
      (_, i) => start + i,
    );
    const rows = await dataset.examples(positions);
    const decoded = await Promise.all(rows.map((row) => decode(row, processor, pixels)));
    decoded.forEach(({ text, image, isBroken }, i) => {
      const position = positions[i]!;
      if (isBroken) broken.push(dataset.rowNumber(position));
      if (text === undefined && image === undefined) return;
      numbers[splitOf[position]!].push(dataset.rowNumber(position));
      parts[splitOf[position]!].push({ text, image, label: labelOf(dataset, rows[i]!) });
    });
  }
  onProgress(dataset.size, dataset.size);
  return { parts, numbers, broken };
}

/** Resizes as the models' processor does, and leaves the levels from 0 to 255 as they are. */
function levelsProcessor(pixels: number): ImageProcessor {
  return new ImageProcessor({ ...squares(pixels), doRescale: false, doNormalize: false });
}

/** What a processor does that squeezes pictures into squares. */
export const squares = (pixels: number) => ({
  size: { height: pixels, width: pixels },
  doCenterCrop: false,
});

interface Decoded {
  readonly text?: string;
  readonly image?: PixelData;
  readonly isBroken: boolean;
}

async function decode(
  { text, image }: Example,
  processor: ImageProcessor,
  pixels: number,
): Promise<Decoded> {
  if (image === undefined) return { text, isBroken: false };
  try {
    return { text, image: rgba(await processor.load(image), pixels), isBroken: false };
  } catch {
    return { text, isBroken: true };
  }
}

/** Levels [height, width, 3] as opaque pixels. */
function rgba(levels: Float32Array, pixels: number): PixelData {
  const data = new Uint8ClampedArray(pixels * pixels * 4);
  for (let from = 0, to = 0; from < levels.length; from += 3, to += 4) {
    data[to] = levels[from]!;
    data[to + 1] = levels[from + 1]!;
    data[to + 2] = levels[from + 2]!;
    data[to + 3] = 255;
  }
  return { data, width: pixels, height: pixels };
}

const labelOf = ({ labels }: Dataset, { label }: Example): string => labels[label!]!;
