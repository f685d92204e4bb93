import { describe, expect, it } from 'vitest';
import { adamW } from '../../src/backends/onnxruntime/simd/adamW.js';
import type { AdamWArrays } from '../../src/backends/onnxruntime/simd/adamW.js';
import { dropoutMask } from '../../src/backends/onnxruntime/simd/dropoutMask.js';
import { Residence, residence } from '../../src/backends/onnxruntime/simd/memory.js';
import { finalize } from '../../src/nn/random.js';

const numbers = {
  keep: 0.99,
  stepSize: 0.01,
  correction: 0.3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  scale: 0.5,
};

/** The same in double precision, an element at a time. */
function reference([p, m, v, g]: AdamWArrays): number[][] {
  const { keep, stepSize, correction, beta1, beta2, epsilon, scale } = numbers;
  const mean = [...m].map((mi, i) => mi + (g[i]! * scale - mi) * (1 - beta1));
  const square = [...v].map((vi, i) => vi * beta2 + (g[i]! * scale) ** 2 * (1 - beta2));
  const next = [...p].map(
    (pi, i) => pi * keep - (stepSize * mean[i]!) / (Math.sqrt(square[i]!) / correction + epsilon),
  );
  return [next, mean, square];
}

const wave = (length: number, phase: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7 + phase));

function expectClose(actual: Float32Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  const gap = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
  expect(gap).toBeLessThan(1e-6);
}

describe('adamW', () => {
  const places = {
    outside: () => undefined,
    inside: (length: number) => residence.allocate(length, 3)!,
  };
  for (const [place, allocate] of Object.entries(places)) {
    it.each([0, 1, 3, 4, 5, 8191, 8192, 8193, 20_001])(`updates %i elements ${place}`, (length) => {
      const values = [wave(length, 0), wave(length, 1), wave(length, 2).map(Math.abs)] as const;
      const state = allocate(length) ?? values;
      state.forEach((array, i) => i < 3 && array.set(values[i]!));
      const arrays = [state[0]!, state[1]!, state[2]!, wave(length, 3)] as const;
      const [next, mean, square] = reference(arrays);
      adamW(arrays, numbers);
      expectClose(arrays[0], next!);
      expectClose(arrays[1], mean!);
      expectClose(arrays[2], square!);
    });
  }

  it('leaves the neighbours in a memory alone', () => {
    const [first, , , second] = residence.allocate(5, 4)!;
    second!.fill(7);
    const [p, m, v] = residence.allocate(5, 3)!;
    adamW([p!, m!, v!, wave(5, 0)], numbers);
    expect([...first!, ...second!]).toEqual([0, 0, 0, 0, 0, 7, 7, 7, 7, 7]);
  });
});

describe('dropoutMask', () => {
  it.each([1, 15, 16, 17, 65_535, 65_537, 200_003])('is the hash of %i positions', (size) => {
    for (const [key, rate] of [
      [0, 0.1],
      [0xdeadbeef, 0.9],
    ] as const) {
      const threshold = Math.ceil(rate * 2 ** 32);
      const expected = Uint8Array.from({ length: size }, (_, i) =>
        finalize(key + Math.imul(i, 0x9e3779b9)) >>> 0 < threshold ? 0 : 1,
      );
      expect(Buffer.compare(dropoutMask(key, threshold, size), expected)).toBe(0);
    }
  });
});

describe('Residence', () => {
  it('gives arrays of zeros that do not overlap, aligned to vectors, and knows its own', () => {
    const own = new Residence();
    const arrays = [...own.allocate(3, 2)!, ...own.allocate(1000, 2)!];
    arrays.forEach((array, i) => array.fill(i + 1));
    arrays.forEach((array, i) => expect(new Set(array)).toEqual(new Set([i + 1])));
    expect(arrays.every(({ byteOffset }) => byteOffset % 16 === 0)).toBe(true);
    expect(own.slabOf(arrays[0]!)).toBe(own.slabOf(arrays[3]!));
    expect(own.slabOf(new Float32Array(4))).toBeUndefined();
  });

  it('takes a place again that was given back, cleared', () => {
    const slab = new Residence().allocate(1, 1)!;
    expect(slab).toHaveLength(1);
    const residenceOfOne = new Residence();
    const array = residenceOfOne.allocate(10, 1)![0]!;
    const home = residenceOfOne.slabOf(array)!;
    array.fill(1);
    home.free(array.byteOffset, array.length);
    const next = home.allocate(10);
    expect(next.byteOffset).toBe(array.byteOffset);
    expect([...next]).toEqual(Array(10).fill(0));
  });

  it('opens another memory where one is full', () => {
    const own = new Residence();
    const [large] = own.allocate(40 * 2 ** 20, 1)!;
    const [other] = own.allocate(40 * 2 ** 20, 1)!;
    expect(own.slabOf(large!)).not.toBe(own.slabOf(other!));
  });
});
