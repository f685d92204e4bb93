import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, inflateSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import type { ImageSource } from '../../src/datasets/example.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { decodeImage } from '../../src/datasets/image.node.js';
import { completeConfig } from '../../src/datasets/imageConfig.js';
import type { ImageProcessorOptions } from '../../src/datasets/imageConfig.js';
import { geometryOf, outputSize, roundHalfEven } from '../../src/datasets/imageGeometry.js';
import type { PreprocessorJson } from '../../src/datasets/imageJson.js';
import { crop, flipHorizontal } from '../../src/datasets/imagePixels.js';
import type { RgbImage } from '../../src/datasets/imagePixels.js';
import { resamples, resize } from '../../src/datasets/imageResize.js';
import { InputError } from '../../src/errors.js';

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: string;
}

interface Expected {
  readonly decoded: Record<string, Picture>;
  readonly resized: {
    readonly source: string;
    readonly width: number;
    readonly height: number;
    readonly results: { width: number; height: number; resample: number; crc: number }[];
  };
  readonly processed: {
    config: PreprocessorJson;
    file: string;
    shape: number[];
    values: number[];
  }[];
}

interface Transforms {
  readonly sources: Record<string, string>;
  readonly crops: Picture[];
}

const folder = fileURLToPath(new URL('../fixtures/images/', import.meta.url));
const readText = (name: string) => readFile(join(folder, name), 'utf8');
const expected = JSON.parse(await readText('expected.json')) as Expected;
const transforms = JSON.parse(await readText('transforms.json')) as Transforms;
const unpack = (packed: string) => new Uint8Array(inflateSync(Buffer.from(packed, 'base64')));
const decode = (source: ImageSource, maxPixels = 1e6) => decodeImage(source, { maxPixels });

let work: string;
beforeAll(async () => {
  await useBackend('cpu');
  work = await mkdtemp(join(tmpdir(), 'bertresnet-image-'));
});
afterAll(() => rm(work, { recursive: true }));

/** The pixels of a plain image, as ImageData would hold them. */
function rgba({ data, width, height }: RgbImage) {
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) pixels.set(data.subarray(i * 3, i * 3 + 3), i * 4);
  return { data: pixels, width, height };
}

const anySide = fc.integer({ min: 1, max: 20 });
const anyImage = fc
  .record({ width: anySide, height: anySide, seed: fc.nat(255) })
  .map(({ width, height, seed }): RgbImage => {
    const data = new Uint8Array(width * height * 3).map((_, i) => i * 89 + seed * 31);
    return { data, width, height };
  });

describe('pixels equal those of Pillow', () => {
  for (const [name, { width, height, pixels }] of Object.entries(expected.decoded)) {
    it(`decoded: ${name}`, async () => {
      const image = await decode(join(folder, name));
      expect([image.width, image.height]).toEqual([width, height]);
      expect(Buffer.from(image.data).equals(unpack(pixels))).toBe(true);
    });
  }

  it('of 16-bit grey the upper 8 bits are kept, where Pillow makes it white', async () => {
    const grey = await decode(join(folder, 'grey16.png'));
    const colour = await decode(join(folder, 'rgb16.png'));
    const channel = (image: RgbImage, wanted: number) =>
      image.data.filter((_, i) => i % 3 === wanted);
    for (const i of [0, 1, 2]) expect(channel(grey, i)).toEqual(channel(colour, 0));
  });

  it('resized, by every kernel, larger and smaller and distorted', () => {
    const { source, width, height, results } = expected.resized;
    const image = { data: unpack(source), width, height };
    expect(results.length).toBe(48);
    for (const result of results) {
      const { data } = resize(image, result, resamples[result.resample]!);
      expect(crc32(Buffer.from(data)), JSON.stringify(result)).toBe(result.crc);
    }
  });

  it("cropped at torchvision's offsets by default", () => {
    for (const { width, height, pixels } of transforms.crops) {
      const image = { data: unpack(transforms.sources[`${width}x${height}`]!), width, height };
      const { resized, box } = geometryOf(completeConfig({ size: 16, cropSize: 11 }), image);
      const { data } = resize(image, resized, 'bilinear', box);
      expect(Buffer.from(data).equals(unpack(pixels))).toBe(true);
    }
  });
});

describe("values equal those of transformers' image processors", () => {
  for (const { config, file, shape, values } of expected.processed) {
    it(`${JSON.stringify(config)} of ${file}`, async () => {
      const processor = ImageProcessor.fromJSON(config);
      expect([processor.size.height, processor.size.width, 3]).toEqual(shape);
      const got = (await processor.load(join(folder, file))).filter((_, i) => i % 7 === 0);
      expect(got.length).toBe(values.length);
      got.forEach((value, i) => expect(Math.abs(value - values[i]!)).toBeLessThan(1e-3));
    });
  }
});

describe('a window of a resized picture', () => {
  it('is that part of the whole', () => {
    const size = fc.record({ width: anySide, height: anySide });
    const kernels = fc.constantFrom(...resamples);
    fc.assert(
      fc.property(anyImage, size, kernels, fc.gen(), (image, to, kernel, gen) => {
        const top = gen(fc.integer, { min: 0, max: to.height - 1 });
        const left = gen(fc.integer, { min: 0, max: to.width - 1 });
        const height = gen(fc.integer, { min: 1, max: to.height - top });
        const width = gen(fc.integer, { min: 1, max: to.width - left });
        const box = { top, left, height, width };
        const part = resize(image, to, kernel, box);
        expect([...part.data]).toEqual([...crop(resize(image, to, kernel), box).data]);
      }),
    );
  });

  it('resizing to the same size changes nothing, and a flat picture stays flat', () => {
    fc.assert(
      fc.property(anyImage, fc.constantFrom(...resamples), fc.nat(255), (image, kernel, level) => {
        expect([...resize(image, image, kernel).data]).toEqual([...image.data]);
        const flat = { ...image, data: image.data.map(() => level) };
        const { data } = resize(flat, { width: 7, height: 13 }, kernel);
        expect(data.every((value) => value === level)).toBe(true);
      }),
    );
  });

  it('reaches beyond the picture in black', () => {
    const image = { data: Uint8Array.of(1, 2, 3), width: 1, height: 1 };
    const padded = crop(image, { top: -1, left: -1, height: 3, width: 2 });
    expect([...padded.data]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
  });

  it('mirrored twice is the picture', () => {
    fc.assert(
      fc.property(anyImage, (image) => {
        expect(flipHorizontal(flipHorizontal(image))).toEqual(image);
      }),
    );
    const two = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 2, height: 1 };
    expect([...flipHorizontal(two).data]).toEqual([4, 5, 6, 1, 2, 3]);
  });
});

describe('a source', () => {
  it('may be a path, bytes, a Blob, an ArrayBuffer or pixels', async () => {
    const bytes = new Uint8Array(await readFile(join(folder, 'rgb.jpg')));
    const wanted = await decode(join(folder, 'rgb.jpg'));
    const sources = [bytes, bytes.buffer, new Blob([bytes]), rgba(wanted)];
    for (const source of sources) {
      const image = await decode(source);
      expect(Buffer.from(image.data)).toEqual(Buffer.from(wanted.data));
    }
    const relative = await decodeImage('rgb.jpg', { maxPixels: 1e6, baseFolder: folder });
    expect(Buffer.from(relative.data)).toEqual(Buffer.from(wanted.data));
  });

  it('that is not there, or no picture of a known format, is refused by name', async () => {
    const refused = async (name: string, content: string | Uint8Array, message: RegExp) => {
      const path = join(work, name);
      await writeFile(path, content);
      await expect(decode(path)).rejects.toThrow(message);
      await expect(decode(path)).rejects.toThrow(InputError);
    };
    const none = decode(join(work, 'none.jpg'));
    await expect(none).rejects.toThrow(/none\.jpg cannot be read: there is no such file/);
    await expect(decode(work)).rejects.toThrow(InputError);
    await refused('empty.jpg', '', /empty\.jpg is empty/);
    await refused('text.jpg', 'not a picture', /text\.jpg cannot be decoded/);
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    await refused('drawing.png', svg, /drawing\.png must be a JPEG, PNG or WebP picture, got svg/);
    await expect(decode(7 as never)).rejects.toThrow(/a picture must be a path, .*got number/);
    await expect(decode(null as never)).rejects.toThrow(/got null/);
  });

  it('that is cut short is refused, wherever it ends', async () => {
    for (const name of ['rgb.jpg', 'progressive.jpg', 'lossy.webp', 'rgba.png']) {
      const bytes = new Uint8Array(await readFile(join(folder, name)));
      // A PNG whose 12 last bytes, which hold no pixels, are missing is whole enough.
      for (let length = 1; length < bytes.length - 12; length += 37) {
        const decoding = decode(bytes.subarray(0, length));
        await expect(decoding, `${name} ${length}`).rejects.toThrow(InputError);
      }
    }
  });

  it('that is too large is refused before it is decoded', async () => {
    const path = join(folder, 'rgb.jpg');
    const message = /rgb\.jpg must have at most 850 pixels, got 37 x 23/;
    await expect(decode(path, 37 * 23 - 1)).rejects.toThrow(message);
    expect((await decode(path, 37 * 23)).width).toBe(37);
    // The header promises 60000 x 60000 pixels that do not follow: decoding would say so.
    const header = Buffer.from(await readFile(join(folder, 'rgba.png')));
    header.writeUInt32BE(60000, 16);
    header.writeUInt32BE(60000, 20);
    header.writeUInt32BE(crc32(header.subarray(12, 29)), 29);
    await expect(decode(header, 1e8)).rejects.toThrow(/pixels, got 60000 x 60000/);
    const pixels = { data: new Uint8Array(400), width: 10, height: 10 };
    await expect(decode(pixels, 99)).rejects.toThrow(/at most 99 pixels/);
    await expect(decode({ ...pixels, width: 11 })).rejects.toThrow(/got 400 bytes for 11 x 10/);
    await expect(decode({ ...pixels, width: 0 })).rejects.toThrow(/at least one pixel/);
  });
});

describe('ImageProcessor', () => {
  const path = join(folder, 'rgb.jpg');

  it('makes a batch of normalised values, without leaking', async () => {
    const processor = new ImageProcessor({ size: 16, cropSize: 8 });
    const before = tf.memory().numTensors;
    const batch = await processor.process([path, join(folder, 'exif6.jpg'), path]);
    expect(batch.shape).toEqual([3, 8, 8, 3]);
    expect(batch.dtype).toBe('float32');
    const values = await batch.data();
    expect(values.subarray(0, 192)).toEqual(await processor.load(path));
    expect(values.subarray(384)).toEqual(values.subarray(0, 192));
    batch.dispose();
    expect(tf.memory().numTensors).toBe(before);
    await expect(processor.process([])).rejects.toThrow(/one picture or more/);
    await expect(processor.process([path, 'none.png'])).rejects.toThrow(/none\.png cannot be read/);
  });

  it("is the notebook's by default", async () => {
    const processor = new ImageProcessor();
    expect(processor.size).toEqual({ height: 224, width: 224 });
    const { box } = geometryOf(processor.config, { width: 455, height: 256 });
    expect(box).toEqual({ top: 16, left: 116, height: 224, width: 224 });
    const white = { data: new Uint8Array(4).fill(255), width: 1, height: 1 };
    const [red, green, blue] = await processor.load(white);
    expect(red).toBeCloseTo((1 - 0.48145466) / 0.26862954, 5);
    expect(green).toBeCloseTo((1 - 0.4578275) / 0.26130258, 5);
    expect(blue).toBeCloseTo((1 - 0.40821073) / 0.27577711, 5);
  });

  it('takes sizes as numbers and kernels as names', () => {
    const sizeOf = (options: ImageProcessorOptions) => new ImageProcessor(options).size;
    expect(sizeOf({ size: 64 })).toEqual({ height: 64, width: 64 });
    expect(sizeOf({ size: { height: 9, width: 7 } })).toEqual({ height: 9, width: 7 });
    expect(sizeOf({ size: 32, cropPct: 0.5 })).toEqual({ height: 32, width: 32 });
    expect(new ImageProcessor({ resample: 3 }).config.resample).toBe('bicubic');
  });

  it('every picture comes out at the size that it says', () => {
    const sides = fc.integer({ min: 1, max: 900 });
    const size = fc.record({ width: sides, height: sides });
    const options = fc.record({ size: fc.oneof(sides, size), cropSize: fc.oneof(sides, size) });
    fc.assert(
      fc.property(options, size, (given, from) => {
        const config = completeConfig(given);
        const { resized, box } = geometryOf(config, from);
        expect({ height: box.height, width: box.width }).toEqual(outputSize(config));
        expect(resized.width > 0 && resized.height > 0).toBe(true);
        expect(Math.abs(2 * box.left + box.width - resized.width)).toBeLessThanOrEqual(1);
        expect(Math.abs(2 * box.top + box.height - resized.height)).toBeLessThanOrEqual(1);
      }),
    );
    expect([0.5, 1.5, 2.5, -1.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, -2, 2, 3]);
  });

  it('writes a preprocessor_config.json that reads back as itself', async () => {
    const configs = [
      {},
      { size: 64 },
      { size: { height: 9, width: 7 }, resample: 'lanczos' as const, cropOffset: 'floor' as const },
      { size: 32, cropPct: 0.875, doNormalize: false, cropOffset: 'floor' as const },
      { imageMean: [0, 0.5, 1], imageStd: [1, 2, 3], doRescale: false },
    ];
    for (const config of configs) {
      const processor = new ImageProcessor(config);
      await writeFile(join(work, 'preprocessor_config.json'), JSON.stringify(processor));
      const copy = await ImageProcessor.fromPretrained(work);
      expect(copy.toJSON()).toEqual(processor.toJSON());
      expect(copy.size).toEqual(processor.size);
      expect(await copy.load(path)).toEqual(await processor.load(path));
    }
  });

  it('refuses settings that cannot be used', () => {
    const make = (options: object) => () => new ImageProcessor(options);
    expect(make({ crop_size: 3 })).toThrow(/the settings are .*got crop_size/);
    expect(make({ size: 0 })).toThrow(/shortestEdge must be a positive integer, got 0/);
    expect(make({ size: { height: 3 } })).toThrow(/size must be a number or {height, width}/);
    expect(make({ cropSize: { height: 3 } })).toThrow(/cropSize must be a number or/);
    expect(make({ cropSize: { height: 3, width: 1.5 } })).toThrow(/width must be a positive/);
    expect(make({ resample: 9 })).toThrow(/resample must be one of nearest, .*got 9/);
    expect(make({ imageMean: [1, 2] })).toThrow(/imageMean must be three numbers/);
    expect(make({ imageStd: [1, 0, 1] })).toThrow(/imageStd must be three numbers/);
    expect(make({ cropPct: 2, size: 9 })).toThrow(/cropPct must be above 0/);
    expect(make({ doCenterCrop: false })).toThrow(/equally large/);
    expect(make({ doResize: false, doCenterCrop: false })).toThrow(/equally large/);
  });

  it('refuses a preprocessor_config.json of other steps', async () => {
    const read = (type: string | undefined, json: PreprocessorJson = {}) => {
      return () => ImageProcessor.fromJSON({ image_processor_type: type, ...json });
    };
    expect(read('BlipImageProcessor')).toThrow(/among BitImageProcessor, .*got BlipImageProcessor/);
    expect(read(undefined)).toThrow(/got none/);
    expect(read('toString')).toThrow(/got toString/);
    expect(read('ViTImageProcessor', { do_pad: true })).toThrow(/asks for do_pad/);
    expect(read('CLIPImageProcessor', { size: { longest_edge: 9 } })).toThrow(/got longest_edge/);
    expect(read('CLIPImageProcessor', { crop_size: { shortest_edge: 9 } })).toThrow(/crop_size/);
    const older = read(undefined, { feature_extractor_type: 'ViTFeatureExtractor' });
    expect(older().size).toEqual({ height: 224, width: 224 });
    expect(read('ViTImageProcessorFast', { size: 9 })().size).toEqual({ height: 9, width: 9 });
    await writeFile(join(work, 'preprocessor_config.json'), '{');
    await expect(ImageProcessor.fromPretrained(work)).rejects.toThrow(/preprocessor_config\.json/);
    await rm(join(work, 'preprocessor_config.json'));
    const absent = ImageProcessor.fromPretrained(work);
    await expect(absent).rejects.toThrow(/must hold preprocessor_config\.json/);
  });
});
