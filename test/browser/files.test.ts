import { copyFile, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { CsvDataset } from '../../src/datasets/csv.js';
import { encodeImage } from '../../src/datasets/encodeImage.node.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { decodeImage } from '../../src/datasets/image.node.js';
import { describePage } from './chromium.js';

const pictures = fileURLToPath(new URL('../fixtures/images', import.meta.url));
const names = (await readdir(pictures)).filter((name) => !name.endsWith('.json')).toSorted();
const csv = 'text,image,label\n"so good,\n again",rgba.png,b\nbad,rgb.jpg,a\n';
const folder = await mkdtemp(join(tmpdir(), 'rows-'));
await writeFile(join(folder, 'rows.csv'), csv);
for (const name of ['rgba.png', 'rgb.jpg'])
  await copyFile(join(pictures, name), join(folder, name));
afterAll(() => rm(folder, { recursive: true }));

/** Colours that change slowly, which JPEG keeps: red to the right, green downwards, blue the other way. */
function smooth(width: number, height: number): number[] {
  const at = (i: number, count: number): number => Math.round((255 * i) / Math.max(1, count - 1));
  return Array.from({ length: width * height }, (_, i) => [
    at(i % width, width),
    at(Math.floor(i / width), height),
    255 - at(i % width, width),
  ]).flat();
}

function meanDifference(a: ArrayLike<number>, b: readonly number[]): number {
  return b.reduce((sum, level, i) => sum + Math.abs(level - a[i]!), 0) / b.length;
}

interface Loaded {
  readonly direct: number[][];
  readonly threaded: number[][];
  readonly isThreaded: boolean;
  readonly warnings: string[];
}

interface Fallen {
  readonly same: boolean;
  readonly warnings: string[];
}

interface Rows {
  readonly labels: string[];
  readonly cells: string[][];
  readonly fingerprint: string;
  readonly pixels: number[][];
}

interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly data: number[];
  readonly error: string;
}

describePage(
  'files',
  'pictures and rows',
  (page) => {
    const decode = (name: string, maxPixels?: number, length?: number): Promise<Decoded> =>
      page().call('decode', `/fixtures/images/${name}`, maxPixels, length);

    // A JPEG's decoder may round otherwise; all else is exact.
    test.each(names)('%s has the pixels that Node gives it', async (name) => {
      const node = await decodeImage(join(pictures, name), { maxPixels: 1e6 });
      const { width, height, data } = await decode(name);
      expect([width, height]).toEqual([node.width, node.height]);
      const worst = Math.max(...data.map((value, i) => Math.abs(value - node.data[i]!)));
      expect(worst).toBeLessThanOrEqual(name.endsWith('.jpg') ? 1 : 0);
    });

    test.each([2, 4, 16, 256])(
      'an interlaced palette of %i colours is exact too',
      async (colours) => {
        const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
        const plain = { width: 37, height: 23, channels: 3, background: '#246', noise } as const;
        const picture = sharp({ create: plain }).png({ palette: true, colours, progressive: true });
        const bytes = await picture.toBuffer();
        const node = await decodeImage(bytes, { maxPixels: 1e6 });
        const address = `data:image/png;base64,${bytes.toString('base64')}`;
        expect((await page().call<Decoded>('decode', address)).data).toEqual([...node.data]);
      },
    );

    test('a picture that is too large is refused by its header alone', async () => {
      const bytes = await readFile(join(pictures, 'rgb.jpg'));
      const headerEnd = bytes.indexOf(Buffer.from([0xff, 0xda]));
      const { error } = await decode('rgb.jpg', 100, headerEnd);
      expect(error).toMatch(
        /^image: a picture must have at most 100 pixels, got \d+ x \d+; make it/,
      );
    });

    test.each(['rgb.jpg', 'rgb16.png', 'lossy.webp'])(
      '%s is refused where it is cut off',
      async (name) => {
        const { length } = await readFile(join(pictures, name));
        for (const part of [0.6, 0.95]) {
          const { error } = await decode(name, 1e6, Math.floor(length * part));
          expect(error).toMatch(/^image: a picture cannot be decoded: .*is it a whole JPEG/);
        }
      },
    );

    test('what is no picture is refused', async () => {
      expect((await decode('expected.json')).error).toMatch(
        /must be a whole JPEG, PNG or WebP picture/,
      );
      expect((await decode('rgb.jpg', 1e6, 0)).error).toMatch(/is empty/);
    });

    test.each([
      [40, 24],
      [1, 1],
      [241, 7],
    ])('a picture of a report of %i x %i is a JPEG of these levels', async (width, height) => {
      const levels = smooth(width, height);
      const uri = await page().call<string>('encode', levels, width, height);
      expect(uri).toMatch(/^data:image\/jpeg;base64,/);
      const shown = await decodeImage(Buffer.from(uri.split(',')[1]!, 'base64'), {
        maxPixels: 1e6,
      });
      expect([shown.width, shown.height]).toEqual([width, height]);
      const inNode = await encodeImage({ data: Uint8Array.from(levels), width, height });
      const node = await decodeImage(Buffer.from(inNode.split(',')[1]!, 'base64'), {
        maxPixels: 1e6,
      });
      for (const { data } of [shown, node]) expect(meanDifference(data, levels)).toBeLessThan(6);
      expect(meanDifference(shown.data, levels.toReversed())).toBeGreaterThan(width > 1 ? 20 : -1);
    });

    test('a Worker reads what the page reads, and what Node reads', async () => {
      const processor = new ImageProcessor({ size: 16, cropSize: 12 });
      const addresses = names.map((name) => `/fixtures/images/${name}`);
      const read = await page().call<Loaded>('load', addresses);
      expect([read.isThreaded, read.warnings]).toEqual([true, []]);
      expect(read.threaded).toEqual(read.direct);
      const exact = names.findIndex((name) => name === 'rgba.png');
      expect(read.direct[exact]).toEqual([...(await processor.load(join(pictures, 'rgba.png')))]);
    });

    test('pictures are read without the Worker where that cannot start', async () => {
      const { same, warnings } = await page().call<Fallen>(
        'loadWithout',
        '/fixtures/images/rgb.jpg',
      );
      expect(same).toBe(true);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(
        /^image: the worker that reads pictures is lost .* read without it$/,
      );
    });

    test('a CSV and its pictures are the same by their address, as Files, and in Node', async () => {
      const node = await CsvDataset.open(join(folder, 'rows.csv'));
      const processor = new ImageProcessor({ size: 4 });
      const pixels = ['rgba.png', 'rgb.jpg'].map((name) => processor.load(join(folder, name)));
      for (const how of ['address', 'files']) {
        const got = await page().call<Rows>('rows', '/rows/rows.csv', how);
        expect(got.labels).toEqual(node.labels);
        expect(got.fingerprint).toBe(node.fingerprint);
        expect(got.cells).toEqual(await node.rows([0, 1]));
        expect(got.pixels).toEqual((await Promise.all(pixels)).map((values) => [...values]));
      }
    });

    test.each([
      ['text,label\na,b\n"c,d\n', /rows\.csv row 2 \(line 3\): a quoted cell begins that is never/],
      ['text,label\na,b\nc\n', /rows\.csv row 2 \(line 3\): the row has 1 cell, the header 2/],
      ['text,image\na,x.png\n', /row 1 \(line 2\), column "image": "x\.png" came without its file/],
      ['', /rows\.csv is empty/],
    ])('a CSV %j is refused as in Node', async (text, message) => {
      expect(await page().call<string>('refusal', text)).toMatch(message);
    });
  },
  { more: { '/rows/': folder } },
);
