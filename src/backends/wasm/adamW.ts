import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel, Workspace } from '../kernels.js';
import { adamW } from '../onnxruntime/simd/adamW.js';
import type { AdamWNumbers } from '../onnxruntime/simd/adamW.js';
import { elements, empty } from './heap.js';

/**
 * AdamW's update of one variable in one pass over its elements: the variable and both moments, which are zero where none
 * are given. `scale` [] multiplies the gradient.
 */
const AdamW: Kernel<Omit<AdamWNumbers, 'scale'>, TensorInfo[]> = (inputs, numbers, workspace) => {
  const { variable, gradient, scale, expAvg, expAvgSq } = inputs;
  // All are made before any is filled: making one may move the memory.
  const state = [0, 1, 2].map(() => empty(workspace, variable!.shape, 'float32'));
  [variable, expAvg, expAvgSq].forEach((given, i) => {
    const to = elements(workspace, state[i]!);
    if (given === undefined) to.fill(0);
    else to.set(elements(workspace, given));
  });
  const [value, mean, square] = state.map((tensor) => elements(workspace, tensor));
  const factor = scaleOf(workspace, scale);
  const arrays = [value!, mean!, square!, elements(workspace, gradient!)] as const;
  adamW(arrays, { ...numbers, scale: factor });
  return state;
};

function scaleOf(workspace: Workspace, scale: TensorInfo | undefined): number {
  return scale === undefined ? 1 : elements(workspace, scale)[0]!;
}

/** Kernels that update parameters. */
export const optimizerKernels = { AdamW };
