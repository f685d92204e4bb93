import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel } from '../kernels.js';
import { elements, zeros } from './heap.js';

/** Adds up the rows of each segment; a row whose segment does not exist is left out. The gradient of `gather`. */
const UnsortedSegmentSum: Kernel<{ numSegments: number }> = (
  inputs,
  { numSegments },
  workspace,
) => {
  const { x, segmentIds } = inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const width = x.shape.slice(1).reduce((size, length) => size * length, 1);
  const result = zeros(workspace, [numSegments, ...x.shape.slice(1)], x.dtype);
  const [from, to] = [elements(workspace, x), elements(workspace, result)];
  elements<Int32Array>(workspace, segmentIds).forEach((segment, row) => {
    if (segment < 0 || segment >= numSegments) return;
    const [source, target] = [row * width, segment * width];
    for (let i = 0; i < width; i++) to[target + i]! += from[source + i]!;
  });
  return result;
};

/** Sums of rows. */
export const segmentKernels = { UnsortedSegmentSum };
