import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { affine } from '../../src/datasets/augmentAffine.js';
import * as color from '../../src/datasets/augmentColor.js';
import { augmentPixels, augmentText, randomResizedCropBox } from '../../src/datasets/augment.js';
import { checkAugmentation, notebookAugmentation } from '../../src/datasets/augmentation.js';
import type { Augmentation } from '../../src/datasets/augmentation.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { flipHorizontal } from '../../src/datasets/imagePixels.js';
import type { RgbImage } from '../../src/datasets/imagePixels.js';
import { InputError } from '../../src/errors.js';
import { Random } from '../../src/nn/random.js';

interface Adjusted {
  readonly factor: number;
  readonly pixels: string;
}

interface Transforms {
  readonly sources: Record<string, string>;
  readonly affine: { angle: number; translate: [number, number]; scale: number; pixels: string }[];
  readonly brightness: Adjusted[];
  readonly contrast: Adjusted[];
  readonly saturation: Adjusted[];
  readonly hue: Adjusted[];
  readonly resizedCrops: {
    readonly box: [number, number, number, number];
    readonly height: number;
    readonly width: number;
    readonly resample: 'bilinear' | 'bicubic';
    readonly pixels: string;
  }[];
  readonly drawnBoxes: {
    readonly width: number;
    readonly height: number;
    readonly scale: [number, number];
    readonly ratio: [number, number];
    readonly draws: number[];
    readonly box: number[];
  }[];
}

const file = new URL('../fixtures/images/transforms.json', import.meta.url);
const transforms = JSON.parse(await readFile(file, 'utf8')) as Transforms;
const unpack = (packed: string) => new Uint8Array(inflateSync(Buffer.from(packed, 'base64')));
const picture: RgbImage = { data: unpack(transforms.sources['19x14']!), width: 19, height: 14 };

function differences(image: RgbImage, packed: string): number {
  const wanted = unpack(packed);
  expect(image.data.length).toBe(wanted.length);
  return wanted.filter((value, i) => value !== image.data[i]).length;
}

/** Draws what it is given. */
class Given extends Random {
  constructor(readonly draws: number[]) {
    super(0);
  }

  override uniform(): number {
    return this.draws.shift()!;
  }
}

const seeds = fc.integer({ min: 0, max: 1e6 });

describe('fixed changes equal those of torchvision on Pillow pictures', () => {
  for (const { angle, translate, scale, pixels } of transforms.affine) {
    it(`affine: ${angle} degrees, ${translate.join(' ')}, x ${scale}`, () => {
      const changed = affine(picture, { angle, translate, scale }, [200, 100, 50]);
      expect(differences(changed, pixels)).toBe(0);
    });
  }
  const adjustments = {
    brightness: color.adjustBrightness,
    contrast: color.adjustContrast,
    saturation: color.adjustSaturation,
    hue: color.adjustHue,
  };
  for (const [name, adjust] of Object.entries(adjustments)) {
    it(name, () => {
      const cases = transforms[name as keyof typeof adjustments];
      for (const { factor, pixels } of cases) {
        expect(differences(adjust(picture, factor), pixels)).toBe(0);
      }
    });
  }
});

describe('RandomResizedCrop is torchvision’s', () => {
  const source = { data: unpack(transforms.sources['37x23']!), width: 37, height: 23 };

  for (const { box, pixels, resample, ...size } of transforms.resizedCrops) {
    it(`${box.join(' ')} to ${size.height} x ${size.width}, ${resample}: every pixel`, async () => {
      const [top, left, height, width] = box;
      // The draws that lead to this box: its area, its ratio, then its place.
      const random = new Given([
        ...[(height * width) / (23 * 37), Math.log(width / height)],
        ...[(top + 0.5) / (23 - height + 1), (left + 0.5) / (37 - width + 1)],
      ]);
      const plain = { doRescale: false, doNormalize: false };
      const processor = new ImageProcessor({ size, resample, ...plain });
      const augment = { randomResizedCrop: { scale: [1e-3, 1], ratio: [0.01, 100] } } as const;
      const data = await processor.load(rgba(source), { augment, random });
      expect(differences({ data: Uint8Array.from(data), ...size }, pixels)).toBe(0);
      expect(random.draws).toEqual([]);
    });
  }

  it('draws a box in its way, ten times before it takes the central part', () => {
    const tries = transforms.drawnBoxes.map(({ draws }) => draws.length);
    expect(Math.min(...tries)).toBe(4);
    expect(Math.max(...tries)).toBe(20);
    for (const { width, height, scale, ratio, draws, box } of transforms.drawnBoxes) {
      const random = new Given([...draws]);
      const drawn = randomResizedCropBox({ width, height }, { scale, ratio }, random);
      expect([drawn.top, drawn.left, drawn.height, drawn.width]).toEqual(box);
      expect(random.draws).toEqual([]);
    }
  });

  function rgba({ data, width, height }: RgbImage) {
    const pixels = new Uint8Array(width * height * 4).fill(255);
    for (let i = 0; i < width * height; i++) pixels.set(data.subarray(i * 3, i * 3 + 3), i * 4);
    return { data: pixels, width, height };
  }
});

describe('RandomResizedCrop', () => {
  const side = fc.integer({ min: 1, max: 300 });
  const wide = { scale: [0.05, 1], ratio: [0.5, 2] } as const;

  it('stays inside of the picture, whatever its shape', () => {
    fc.assert(
      fc.property(side, side, seeds, (width, height, seed) => {
        const box = randomResizedCropBox({ width, height }, wide, new Random(seed));
        expect(box.width > 0 && box.height > 0).toBe(true);
        expect(box.left >= 0 && box.left + box.width <= width).toBe(true);
        expect(box.top >= 0 && box.top + box.height <= height).toBe(true);
      }),
    );
  });

  it('has an area and a shape within bounds, spread over all of them', () => {
    const size = { width: 640, height: 480 };
    const random = new Random('crop');
    const draw = () => randomResizedCropBox(size, { scale: [0.2, 0.6] }, random);
    const boxes = Array.from({ length: 2000 }, draw);
    const areas = boxes.map((box) => (box.width * box.height) / (640 * 480));
    const shapes = boxes.map((box) => Math.log(box.width / box.height));
    const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
    expect(Math.min(...areas)).toBeGreaterThan(0.198);
    expect(Math.max(...areas)).toBeLessThan(0.602);
    expect(mean(areas)).toBeCloseTo(0.4, 1);
    expect(Math.min(...areas)).toBeLessThan(0.21);
    expect(Math.max(...areas)).toBeGreaterThan(0.59);
    expect(Math.abs(mean(shapes))).toBeLessThan(0.02);
    // As many shapes below the middle of the logarithms as above, and in each quarter of them.
    const quarters = [0, 0, 0, 0];
    const span = 2 * Math.log(4 / 3);
    for (const shape of shapes)
      quarters[Math.min(3, Math.max(0, Math.floor(4 * (shape / span + 0.5))))]! += 1;
    for (const count of quarters) expect(Math.abs(count - 500)).toBeLessThan(100);
    expect(Math.min(...shapes)).toBeGreaterThan(Math.log(3 / 4) - 0.02);
    expect(Math.max(...shapes)).toBeLessThan(Math.log(4 / 3) + 0.02);
    expect(boxes.some((box) => box.top === 0)).toBe(true);
    expect(new Set(boxes.map((box) => box.left)).size).toBeGreaterThan(100);
  });

  it('falls back to the largest central part of an allowed ratio', () => {
    const box = (width: number, height: number) =>
      randomResizedCropBox({ width, height }, { scale: [1, 1], ratio: [1, 1] }, new Random(0));
    expect(box(100, 10)).toEqual({ top: 0, left: 45, height: 10, width: 10 });
    expect(box(10, 101)).toEqual({ top: 45, left: 0, height: 10, width: 10 });
    expect(box(33, 33)).toEqual({ top: 0, left: 0, height: 33, width: 33 });
  });
});

describe('random changes', () => {
  const strong: Augmentation = {
    horizontalFlip: 0.5,
    rotation: 30,
    shift: [0.2, 0.1],
    scale: [0.5, 1.5],
    fill: [9, 8, 7],
    brightness: 0.5,
    contrast: 0.5,
    saturation: 0.5,
    hue: 0.2,
  };

  it('are the same for the same key and others for another', () => {
    const run = (seed: number) => {
      return [...augmentPixels(picture, strong, new Random('augment', seed)).data];
    };
    expect(run(1)).toEqual(run(1));
    expect(new Set([1, 2, 3, 4, 5].map((seed) => run(seed).join())).size).toBe(5);
  });

  it('of no strength change nothing and draw nothing', () => {
    const none: Augmentation = { horizontalFlip: 0, rotation: 0, shift: 0, scale: [1, 1], hue: 0 };
    const random = new Random(1);
    expect(augmentPixels(picture, none, random)).toBe(picture);
    expect(augmentPixels(picture, {}, random)).toBe(picture);
    expect(random.uniform()).toBe(new Random(1).uniform());
    const still = affine(picture, { angle: 0, translate: [0, 0], scale: 1 }, [9, 9, 9]);
    expect([...still.data]).toEqual([...picture.data]);
    for (const adjust of [color.adjustBrightness, color.adjustContrast, color.adjustSaturation]) {
      expect([...adjust(picture, 1).data]).toEqual([...picture.data]);
    }
  });

  it('mirror with their probability', () => {
    const mirrored = flipHorizontal(picture).data.join();
    const share = (horizontalFlip: number) => {
      const random = new Random('flip');
      const run = () => augmentPixels(picture, { horizontalFlip }, random).data.join();
      const runs = Array.from({ length: 400 }, run);
      return runs.filter((run) => run === mirrored).length / runs.length;
    };
    expect(share(1)).toBe(1);
    expect(share(0.25)).toBeGreaterThan(0.18);
    expect(share(0.25)).toBeLessThan(0.32);
  });

  it('keep the size and leave the picture that came in alone', () => {
    const before = [...picture.data];
    fc.assert(
      fc.property(seeds, (seed) => {
        const { width, height, data } = augmentPixels(picture, strong, new Random(seed));
        expect([width, height, data.length]).toEqual([19, 14, 19 * 14 * 3]);
      }),
    );
    expect([...picture.data]).toEqual(before);
  });

  it('move by no more than their share', () => {
    const dot = { data: new Uint8Array(21 * 21 * 3), width: 21, height: 21 };
    dot.data.fill(255, (10 * 21 + 10) * 3, (10 * 21 + 10) * 3 + 3);
    const places = Array.from({ length: 200 }, (_, seed) => {
      const { data } = augmentPixels(dot, { shift: [0.2, 0] }, new Random(seed));
      return data.findIndex((value) => value === 255) / 3 - 10 * 21;
    });
    expect(Math.min(...places)).toBe(6);
    expect(Math.max(...places)).toBe(14);
  });
});

describe('ImageProcessor with changes', () => {
  const data = new Uint8Array(60 * 40 * 4).map((_, i) => i * 7);
  const pixels = { data, width: 60, height: 40 };
  const processor = new ImageProcessor({ size: 20, cropSize: 16 });
  beforeAll(async () => void (await useBackend('cpu')));

  it('keeps the size, and the key decides', async () => {
    const load = (seed: number) => {
      const random = new Random(7, 'augment', 0, seed);
      return processor.load(pixels, { augment: notebookAugmentation, random });
    };
    const first = await load(1);
    expect(first.length).toBe(16 * 16 * 3);
    expect(await load(1)).toEqual(first);
    expect(await load(2)).not.toEqual(first);
    const unchanged = await processor.load(pixels, { augment: {}, random: new Random(1) });
    expect(unchanged).toEqual(await processor.load(pixels));
  });

  it('draws for many in their order, whichever is read first', async () => {
    const bytes = await sharp(data, { raw: { width: 60, height: 40, channels: 4 } })
      .png()
      .toBuffer();
    const process = async (random: Random, waits: readonly number[]) => {
      const sources = waits.map((wait, i) => ({
        name: String(i),
        read: async () => setTimeout(wait, bytes),
      }));
      const pictures = await processor.process(sources, {
        augment: notebookAugmentation,
        random,
      });
      const values = await pictures.data();
      pictures.dispose();
      return [...values];
    };
    const expected = await process(new Random(3), [0, 10, 20, 30]);
    expect(await process(new Random(3), [30, 20, 10, 0])).toEqual(expected);
    const random = new Random(3); // Two calls draw what one does.
    const parts = [await process(random, [5]), await process(random, [0, 9, 0])];
    expect(parts.flat()).toEqual(expected);
    expect(await process(random, [0, 0, 0, 0])).not.toEqual(expected);
  });

  it('needs something to draw from', async () => {
    await expect(processor.load(pixels, { augment: {} })).rejects.toThrow(/augment needs a Random/);
    const bad = processor.load(pixels, { augment: { hue: 2 }, random: new Random(1) });
    await expect(bad).rejects.toThrow(/augment: hue must be a number from 0 to 0.5, got 2/);
  });
});

describe('word dropout', () => {
  const anyWords = fc.array(fc.stringMatching(/^[a-z]{1,5}$/), { minLength: 1 });
  const share = fc.double({ min: 0.01, max: 1, noNaN: true });

  it('leaves words out in order, and never all of them', () => {
    fc.assert(
      fc.property(anyWords, share, seeds, (words, wordDropout, seed) => {
        const kept = augmentText(words.join(' '), { wordDropout }, new Random(seed)).split(' ');
        expect(kept.length).toBeGreaterThan(0);
        let at = 0;
        for (const word of kept) {
          const found = words.indexOf(word, at);
          expect(found).toBeGreaterThanOrEqual(at);
          at = found + 1;
        }
      }),
    );
  });

  it('drops the share that it says, and nothing at zero', () => {
    const text = Array.from({ length: 5000 }, (_, i) => `w${i}`).join(' ');
    const kept = augmentText(text, { wordDropout: 0.3 }, new Random(3)).split(' ').length;
    expect(kept / 5000).toBeCloseTo(0.7, 1);
    expect(augmentText(' as  it\nis ', {}, new Random(3))).toBe(' as  it\nis ');
    expect(augmentText('  ', { wordDropout: 1 }, new Random(3))).toBe('  ');
  });
});

describe('settings', () => {
  it('that cannot be used are refused', () => {
    const check = (augmentation: object) => () => checkAugmentation(augmentation);
    expect(check(notebookAugmentation)).not.toThrow();
    expect(check({ flip: 1 })).toThrow(/the fields are .*got flip/);
    expect(check({ horizontalFlip: 1.1 })).toThrow(/horizontalFlip must be .*0 to 1, got 1.1/);
    expect(check({ rotation: NaN })).toThrow(/rotation/);
    expect(check({ wordDropout: '0.3' })).toThrow(InputError);
    expect(check({ brightness: -1 })).toThrow(/brightness/);
    expect(check({ scale: [0, 1] })).toThrow(/scale must be 0 < low/);
    expect(check({ scale: [2, 1] })).toThrow(/got \[2,1\]/);
    expect(check({ shift: 2 })).toThrow(/shift/);
    expect(check({ fill: [1, 2] })).toThrow(/fill/);
    expect(check({ randomResizedCrop: { scale: [0.5, 1.5] } })).toThrow(/randomResizedCrop.scale/);
    expect(check({ randomResizedCrop: { ratio: [-1, 1] } })).toThrow(/randomResizedCrop.ratio/);
  });
});
