import { CsvDataset } from '../../../src/datasets/csv.js';
import { encodeImage } from '../../../src/datasets/encodeImage.browser.js';
import { ImageProcessor } from '../../../src/datasets/image.js';
import { decodeImage } from '../../../src/datasets/image.browser.js';
import { ImageThread } from '../../../src/datasets/imageThread.js';
import { messageOf } from '../../../src/errors.js';

/** The pixels of a picture, RGB, or why there are none. */
export async function decode(
  address: string,
  maxPixels = 1e6,
  length?: number,
): Promise<{ width: number; height: number; data: number[] } | { error: string }> {
  const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer()).slice(0, length);
  try {
    const { width, height, data } = await decodeImage(bytes, { maxPixels });
    return { width, height, data: [...data] };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

/** What a processor makes of pictures, by itself and in a Worker. */
export async function load(
  addresses: string[],
): Promise<{ direct: number[][]; threaded: number[][]; isThreaded: boolean; warnings: string[] }> {
  const processor = new ImageProcessor({ size: 16, cropSize: 12 });
  const warnings: string[] = [];
  const thread = new ImageThread(processor, undefined, (warning) => warnings.push(warning));
  const blobs = await Promise.all(addresses.map(async (address) => (await fetch(address)).blob()));
  const [direct, threaded] = await Promise.all(
    [processor, thread].map((reader) =>
      Promise.all(blobs.map(async (blob) => [...(await reader.load(blob))])),
    ),
  );
  const { isThreaded } = thread;
  await thread.close();
  return { direct: direct!, threaded: threaded!, isThreaded, warnings };
}

/** As `load`, where the Worker's code is not there. */
export async function loadWithout(address: string): Promise<{ same: boolean; warnings: string[] }> {
  const processor = new ImageProcessor({ size: 16, cropSize: 12 });
  const warnings: string[] = [];
  const thread = new ImageThread(processor, new URL('/nowhere.js', location.href), (warning) =>
    warnings.push(warning),
  );
  const blob = await (await fetch(address)).blob();
  const read = await Promise.all([1, 2].map(() => thread.load(blob)));
  const direct = await processor.load(address);
  await thread.close();
  return { same: read.every((values) => String(values) === String(direct)), warnings };
}

/** The rows of a CSV file by its address, or given with pictures. */
export async function rows(
  address: string,
  how: 'address' | 'files',
): Promise<{
  labels: readonly string[];
  cells: string[][];
  fingerprint: string;
  pixels: number[][];
}> {
  const where =
    how === 'address' ? address : new File([await (await fetch(address)).blob()], 'rows.csv');
  const files = new Map<string, Blob>();
  if (how === 'files') {
    for (const name of ['rgba.png', 'rgb.jpg'])
      files.set(name, await (await fetch(new URL(name, new URL(address, location.href)))).blob());
  }
  const dataset = await CsvDataset.open(where, how === 'files' ? { files } : {});
  const positions = Array.from({ length: dataset.size }, (_, i) => i);
  const processor = new ImageProcessor({ size: 4 });
  const examples = await dataset.examples(positions);
  return {
    labels: dataset.labels,
    cells: await dataset.rows(positions),
    fingerprint: dataset.fingerprint,
    pixels: await Promise.all(
      examples.map(async ({ image }) => [...(await processor.load(image!))]),
    ),
  };
}

/** Why a CSV cannot be opened. */
export async function refusal(text: string): Promise<string> {
  return CsvDataset.open(new File([text], 'rows.csv')).then(
    () => 'opened',
    (error: unknown) => messageOf(error),
  );
}

/** A picture of a report, of levels [height, width, 3] from 0 to 255. */
export function encode(data: number[], width: number, height: number): Promise<string> {
  return encodeImage({ data: Uint8Array.from(data), width, height });
}
