import { getKernel } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { forEachColumn } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

/** x wT + b with TensorFlow.js's own program, which adds the bias where it writes. */
const Dense: Kernel = ({ x, w, b }, _, backend) => {
  const { kernelFunc } = getKernel('_FusedMatMul', 'webgpu')!;
  const attrs = { transposeA: false, transposeB: true, activation: 'linear' };
  return [kernelFunc({ inputs: { a: x, b: w, bias: b }, attrs, backend }) as TensorInfo];
};

/** x wT, for x of the rows of a map and w as PyTorch lays a convolution of width 1 out. */
const PointConv: Kernel = ({ x, w }, _, backend) => {
  const { kernelFunc } = getKernel('BatchMatMul', 'webgpu')!;
  const attrs = { transposeA: false, transposeB: true };
  return [kernelFunc({ inputs: { a: x, b: w }, attrs, backend }) as TensorInfo];
};

const sums = forEachColumn({
  name: 'ColumnSums',
  inputs: ['x'],
  outputs: { result: 'f32' },
  type: 'f32',
  start: '0.0',
  step: 'sum += x[i];',
  combine: 'a + b',
  write: 'result[at] = sum;',
});

/** The sum over all rows of x [rows, columns]. */
const ColumnSums: Kernel = ({ x }, _, backend) =>
  sums(backend, { inputs: [x!], outputs: (_, columns) => [floats([columns])], whole: true });

/** Kernels of this library's own linear layers (src/nn/linear.ts) and convolutions (src/nn/conv.ts). */
export const denseKernels: KernelTable = { ColumnSums, Dense, PointConv };
