import { forEachElement } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

const factors = forEachElement({
  name: 'DropoutFactors',
  inputs: [],
  outputs: { factors: 'f32' },
  numbers: { key: 'u32', threshold: 'u32', factor: 'f32' },
  code: `
  var hash = numbers.key + i * 0x9e3779b9u;
  hash = (hash ^ (hash >> 16u)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13u)) * 0xc2b2ae35u;
  hash ^= hash >> 16u;
  factors[i] = select(numbers.factor, 0.0, hash < numbers.threshold);`,
});

interface Attributes {
  readonly shape: readonly number[];
  readonly key: number;
  readonly threshold: number;
  readonly factor: number;
}

/** The factors of src/nn/dropout.ts, drawn where they are used. */
const DropoutFactors: Kernel<Attributes> = (_, { shape, key, threshold, factor }, backend) =>
  factors(backend, {
    inputs: [],
    outputs: [floats(shape)],
    numbers: [key, Math.min(threshold, 2 ** 32 - 1), factor],
  });

/** Kernels of this library's own dropout. */
export const dropoutKernels: KernelTable = { DropoutFactors };
