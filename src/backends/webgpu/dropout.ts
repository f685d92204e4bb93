import { forEachElement } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

/** What names the factors of src/nn/dropout.ts. */
export interface Draw {
  readonly key: number;
  readonly threshold: number;
  readonly factor: number;
}

/** The numbers of a draw for a shader that declares `drawFactor`. */
export const drawNumbers = { key: 'u32', threshold: 'u32', factor: 'f32' } as const;

export const numbersOfDraw = ({ key, threshold, factor }: Draw): number[] => [
  key,
  Math.min(threshold, 2 ** 32 - 1),
  factor,
];

/** The factor of the element i. */
export const drawFactor = `
fn drawFactor(i: u32) -> f32 {
  var hash = numbers.key + i * 0x9e3779b9u;
  hash = (hash ^ (hash >> 16u)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13u)) * 0xc2b2ae35u;
  hash ^= hash >> 16u;
  return select(numbers.factor, 0.0, hash < numbers.threshold);
}`;

const factors = forEachElement({
  name: 'DropoutFactors',
  inputs: [],
  outputs: { factors: 'f32' },
  numbers: drawNumbers,
  declarations: drawFactor,
  code: 'factors[i] = drawFactor(i);',
});

/** The factors of src/nn/dropout.ts, drawn where they are used. */
const DropoutFactors: Kernel<Draw & { shape: readonly number[] }> = (_, attributes, backend) =>
  factors(backend, {
    inputs: [],
    outputs: [floats(attributes.shape)],
    numbers: numbersOfDraw(attributes),
  });

/** Kernels of this library's own dropout. */
export const dropoutKernels: KernelTable = { DropoutFactors };
