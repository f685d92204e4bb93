import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel } from '../kernels.js';
import { elements, zeros } from './heap.js';

interface Attributes {
  readonly filterSize: number | [number, number];
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/**
 * The gradient of a maximum goes to where it stands in its window, the first place of several. (The backend's own
 * loses that of a window without positive numbers.)
 */
const MaxPoolGrad: Kernel<Attributes> = (inputs, attributes, workspace) => {
  const { dy, input } = inputs as { dy: TensorInfo; input: TensorInfo };
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  const shape = [...input.shape] as [number, number, number, number];
  const info = backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const dx = zeros(workspace, input.shape, input.dtype);
  const [from, gradient, to] = [input, dy, dx].map((tensor) => elements(workspace, tensor)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const { batchSize, outHeight, outWidth, inHeight, inWidth, inChannels } = info;
  const [largest, places] = [new Float32Array(inChannels), new Int32Array(inChannels)];
  let window = 0;
  for (let picture = 0; picture < batchSize; picture++) {
    for (let row = 0; row < outHeight; row++) {
      const top = row * info.strideHeight - info.padInfo.top;
      const rows = [Math.max(0, top), Math.min(inHeight, top + info.filterHeight)] as const;
      for (let column = 0; column < outWidth; column++, window += inChannels) {
        const left = column * info.strideWidth - info.padInfo.left;
        const columns = [Math.max(0, left), Math.min(inWidth, left + info.filterWidth)] as const;
        largest.fill(-Infinity);
        places.fill(-1);
        for (let y = rows[0]; y < rows[1]; y++) {
          for (let x = columns[0]; x < columns[1]; x++) {
            const pixel = ((picture * inHeight + y) * inWidth + x) * inChannels;
            for (let channel = 0; channel < inChannels; channel++) {
              const value = from[pixel + channel]!;
              if (value <= largest[channel]! && places[channel] !== -1) continue;
              largest[channel] = value;
              places[channel] = pixel + channel;
            }
          }
        }
        for (let channel = 0; channel < inChannels; channel++) {
          to[places[channel]!]! += gradient[window + channel]!;
        }
      }
    }
  }
  return dx;
};

/** Gradients of pools. */
export const poolingKernels = { MaxPoolGrad };
