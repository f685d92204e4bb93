import { getKernel, registerKernel } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { activationKernels } from './activations.js';
import { optimizerKernels } from './adamW.js';
import { attentionKernels } from './attention.js';
import type { WebGpuBackend } from './backend.js';
import { batchNormKernels } from './batchNorm.js';
import { denseKernels } from './dense.js';
import { dropoutKernels } from './dropout.js';
import { globalNormKernels } from './globalNorm.js';
import type { KernelTable } from './kernel.js';
import { layerNormKernels } from './layerNorm.js';

/** This library's own operators, each of which would otherwise be many of TensorFlow.js's. */
export const webGpuKernels: KernelTable = {
  ...activationKernels,
  ...attentionKernels,
  ...batchNormKernels,
  ...denseKernels,
  ...dropoutKernels,
  ...globalNormKernels,
  ...layerNormKernels,
  ...optimizerKernels,
};

/** Gives TensorFlow.js's `webgpu` backend this library's operators, unless that has been done. */
export function registerWebGpuKernels(): void {
  for (const [kernelName, kernel] of Object.entries(webGpuKernels)) {
    if (getKernel(kernelName, 'webgpu') !== undefined) continue;
    registerKernel({
      kernelName,
      backendName: 'webgpu',
      kernelFunc: ({ inputs, attrs, backend }) => {
        const tensors = inputs as Record<string, TensorInfo>;
        return kernel(tensors, attrs ?? {}, backend as WebGpuBackend);
      },
    });
  }
}
