import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { augmentPixels } from '../../src/datasets/augment.js';
import { checkAugmentation } from '../../src/datasets/augmentation.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import type { RgbImage } from '../../src/datasets/imagePixels.js';
import { randAugment, randAugmentOperations } from '../../src/datasets/randAugment.js';
import { randomErasing, randomErasingBox } from '../../src/datasets/randomErasing.js';
import { Random } from '../../src/nn/random.js';
import fixture from '../fixtures/randaugment.json';

const unpack = (packed: string) => new Uint8Array(inflateSync(Buffer.from(packed, 'base64')));
const { width, height, fill, pixels } = fixture.source;
const picture: RgbImage = { data: unpack(pixels), width, height };

describe('RandAugment is torchvision’s on Pillow pictures', () => {
  it('has its operations, in its order', () => {
    expect(Object.keys(randAugmentOperations)).toEqual(Object.keys(fixture.spaces[0]!.space));
  });

  for (const { space, ...of } of fixture.spaces) {
    it(`has its magnitudes in ${of.bins} bins at ${of.height} x ${of.width}`, () => {
      for (const [name, [wanted, signed]] of Object.entries(space)) {
        const { magnitudes, signed: goesBothWays = false } = randAugmentOperations[name]!;
        expect(goesBothWays, name).toBe(signed);
        const found = magnitudes?.(of.bins, of) ?? null;
        expect(found === null, name).toBe(wanted === null);
        (wanted as number[] | null)?.forEach((magnitude, bin) => {
          expect(Math.abs(found![bin]! - magnitude), name).toBeLessThanOrEqual(2e-7 * 331);
          if (name.startsWith('Translate'))
            expect(Math.trunc(found![bin]!)).toBe(Math.trunc(magnitude));
        });
      }
    });
  }

  for (const name of Object.keys(randAugmentOperations)) {
    it(`${name}: every pixel`, () => {
      const cases = fixture.cases.filter((one) => one.name === name);
      expect(cases.length).toBeGreaterThan(0);
      for (const { magnitude, pixels: wanted } of cases) {
        const changed = randAugmentOperations[name]!.apply(picture, magnitude, fill);
        const expected = unpack(wanted);
        const differing = expected.filter((value, i) => value !== changed.data[i]).length;
        expect(differing, `magnitude ${magnitude}`).toBe(0);
      }
    });
  }

  it('draws every operation equally often, in either direction', () => {
    const seen = new Map<string, number>();
    const random = new Random(1);
    const grey = { data: new Uint8Array(5 * 5 * 3).fill(100), width: 5, height: 5 };
    grey.data.set([250, 10, 60], 36);
    for (let i = 0; i < 7000; i++) {
      const { data } = randAugment(grey, { numOps: 1, magnitude: 20 }, [1, 2, 3], random);
      const key = data.join(' ');
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    // 9 signed operations and 5 others: where two make the same picture, their counts add up.
    for (const count of seen.values()) {
      const parts = count / (7000 / 28);
      expect(Math.abs(parts - Math.round(parts))).toBeLessThan(0.25);
    }
    expect(seen.size).toBeGreaterThan(14);
  });

  it('is a part of an augmentation, a function of its key', () => {
    const changed = (seed: number) =>
      augmentPixels(picture, { randAugment: { numOps: 3, magnitude: 15 } }, new Random(seed)).data;
    expect(changed(1)).toEqual(changed(1));
    expect(changed(1)).not.toEqual(changed(2));
  });
});

describe('RandomErasing', () => {
  it('covers what torchvision covers', () => {
    const { box, pixels: wanted } = fixture.erased;
    const [top, left, boxHeight, boxWidth] = box as [number, number, number, number];
    // The draws that lead to this box: its area, its ratio, then its place.
    const draws = [
      ...[0, (boxHeight * boxWidth) / 30, Math.log(boxHeight / boxWidth)],
      ...[(top + 0.5) / (6 - boxHeight + 1), (left + 0.5) / (5 - boxWidth + 1)],
    ];
    class Given extends Random {
      override uniform(): number {
        return draws.shift()!;
      }
    }
    const values = new Float32Array(90);
    for (let y = 0; y < 6; y++)
      for (let x = 0; x < 5; x++)
        for (let c = 0; c < 3; c++)
          values[(y * 5 + x) * 3 + c] = -2 + (4 * (c * 30 + y * 5 + x)) / 89;
    randomErasing(values, { height: 6, width: 5 }, {}, new Given(0));
    values.forEach((value, i) => expect(value).toBeCloseTo(wanted[i]!, 6));
    expect(draws).toEqual([]);
  });

  it('stays inside, with the area and the ratio that are asked for', () => {
    const random = new Random(4);
    const options = { scale: [0.1, 0.3], ratio: [0.5, 2] } as const;
    for (let i = 0; i < 500; i++) {
      const box = randomErasingBox({ height: 100, width: 140 }, options, random)!;
      expect(box.top >= 0 && box.top + box.height <= 100).toBe(true);
      expect(box.left >= 0 && box.left + box.width <= 140).toBe(true);
      const area = (box.height * box.width) / 14_000;
      expect(area).toBeGreaterThan(0.095);
      expect(area).toBeLessThan(0.305);
      expect(box.height / box.width).toBeGreaterThan(0.48);
      expect(box.height / box.width).toBeLessThan(2.08);
    }
  });

  it('is done as often as asked, after normalisation', async () => {
    const processor = new ImageProcessor({ size: { height: 8, width: 8 }, cropSize: 8 });
    const data = new Uint8Array(8 * 8 * 4).fill(255);
    const covered = async (probability: number, value: 'mean' | 'random') => {
      const augment = { randomErasing: { probability, value } };
      const loaded = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          processor.load({ data, width: 8, height: 8 }, { augment, random: new Random(i) }),
        ),
      );
      const white = [...loaded[0]!].toSorted((a, b) => b - a)[0]!;
      return loaded.filter((values) => values.some((one) => one === 0 || one > white)).length;
    };
    expect(await covered(0, 'mean')).toBe(0);
    expect(await covered(1, 'mean')).toBe(40);
    const half = await covered(0.5, 'mean');
    expect(half).toBeGreaterThan(10);
    expect(half).toBeLessThan(30);
  });
});

describe('what cannot be', () => {
  it.each([
    [{ randAugment: { magnitude: 31 } }, 'randAugment.magnitude must be a bin from 0 to 30'],
    [{ randAugment: { numOps: 0 } }, 'randAugment.numOps must be an integer from 1'],
    [{ randAugment: { ops: 1 } }, 'the fields of randAugment are numOps'],
    [{ randomErasing: { probability: 2 } }, 'randomErasing.probability must be from 0 to 1'],
    [{ randomErasing: { scale: [0.5, 0.1] } }, 'randomErasing.scale must be 0 < low'],
    [{ randomErasing: { value: 3 } }, 'randomErasing.value must be mean or random, got 3'],
  ])('%j is refused', (augmentation, message) => {
    expect(() => checkAugmentation(augmentation as never)).toThrow(message);
  });
});
