import { forEachElement } from './families.js';
import type { Kernel, KernelTable } from './kernel.js';

const mask = forEachElement({
  name: 'DropoutMask',
  inputs: [],
  outputs: { kept: 'i32' },
  numbers: { key: 'u32', threshold: 'u32' },
  code: `
  var hash = numbers.key + i * 0x9e3779b9u;
  hash = (hash ^ (hash >> 16u)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13u)) * 0xc2b2ae35u;
  hash ^= hash >> 16u;
  kept[i] = select(1, 0, hash < numbers.threshold);`,
});

interface Attributes {
  readonly shape: readonly number[];
  readonly key: number;
  readonly threshold: number;
}

/** The mask of src/nn/dropout.ts, drawn where it is used. */
const DropoutMask: Kernel<Attributes> = (_, { shape, key, threshold }, backend) =>
  mask(backend, {
    inputs: [],
    outputs: [{ shape, dtype: 'bool' }],
    numbers: [key, Math.min(threshold, 2 ** 32 - 1)],
  });

/** Kernels of this library's own dropout. */
export const dropoutKernels: KernelTable = { DropoutMask };
