import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from './backend.js';

/** A kernel of this folder: the tensors it is given by name, its attributes, and the backend that computes. */
export type Kernel<A = object> = (
  inputs: Readonly<Record<string, TensorInfo>>,
  attributes: A,
  backend: WebGpuBackend,
) => TensorInfo[];

/** Kernels by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- every kernel has its own attributes
export type KernelTable = Readonly<Record<string, Kernel<any>>>;

/** An output of float32. */
export const floats = (
  shape: readonly number[],
): { shape: readonly number[]; dtype: 'float32' } => ({
  shape,
  dtype: 'float32',
});
