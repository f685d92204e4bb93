import { addKernels, wrapKernels } from '../kernels.js';
import { optimizerKernels } from './adamW.js';
import { convolutionKernels } from './convolution.js';
import { einsumKernels } from './einsum.js';
import { transposedFirst } from './matMul.js';
import { poolingKernels } from './pooling.js';
import { segmentKernels } from './segmentSum.js';

/**
 * Gives TensorFlow.js's backend `wasm`, whose package must have been imported, the kernels that training calls and it
 * lacks, or has in a form that is wrong or slower by far.
 */
export function registerWasmKernels(): void {
  addKernels('wasm', {
    ...convolutionKernels,
    ...einsumKernels,
    ...optimizerKernels,
    ...poolingKernels,
    ...segmentKernels,
  });
  wrapKernels('wasm', { BatchMatMul: transposedFirst, _FusedMatMul: transposedFirst });
}
