import { backend_util } from '@tensorflow/tfjs-core';
import type { Value } from '../graph.js';
import { onHost } from './fallback.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { concat, slice } from './shape.js';

const float32 = (shape: readonly number[]) => [{ shape, dtype: 'float32' } as const];
const int32 = (shape: readonly number[]) => [{ shape, dtype: 'int32' } as const];
const like = ({ shape, dtype }: Value) => [{ shape, dtype }];

interface CropAttributes {
  readonly cropSize: readonly [number, number];
}

const CropAndResize = onHost<CropAttributes>('CropAndResize', ({ image, boxes }, { cropSize }) =>
  float32([boxes!.shape[0]!, ...cropSize, image!.shape[3]!]),
);

const Multinomial = onHost<{ numSamples: number }>('Multinomial', ({ logits }, { numSamples }) =>
  int32([logits!.shape[0]!, numSamples]),
);

const Bincount = onHost<{ size: number }>('Bincount', ({ weights }, { size }) => [
  { shape: [size], dtype: weights!.dtype },
]);

const DenseBincount = onHost<{ size: number }>('DenseBincount', ({ x, weights }, { size }) => [
  { shape: [...x!.shape.slice(0, -1), size], dtype: weights!.dtype },
]);

const SparseToDense: Lowering<{ outputShape: number[] }> = (inputs, attributes) => {
  const { sparseIndices, sparseValues } = inputs;
  const { outputShape } = attributes;
  backend_util.calculateShapes(sparseValues as never, sparseIndices as never, outputShape);
  const output = [{ shape: outputShape, dtype: sparseValues!.dtype }];
  return onHost('SparseToDense', () => output)(inputs, attributes);
};

const TensorScatterUpdate: Lowering = (inputs, attributes) => {
  const { tensor, indices, updates } = inputs;
  backend_util.calculateShapes(updates as never, indices as never, tensor!.shape as number[]);
  return onHost('TensorScatterUpdate', () => like(tensor!))(inputs, attributes);
};

const BroadcastArgs = onHost('BroadcastArgs', ({ s0, s1 }) =>
  int32([Math.max(s0!.shape[0]!, s1!.shape[0]!)]),
);

interface TransformAttributes {
  readonly outputShape?: readonly [number, number];
}

/** One picture at a time, as the kernel on cpu leaves all but the first as they are. */
const Transform: Lowering<TransformAttributes> = ({ image, transforms }, attributes) => {
  const [batch, height, width, channels] = image!.shape as [number, number, number, number];
  const size = attributes.outputShape ?? [height, width];
  const one = onHost<TransformAttributes>('Transform', () => [
    { shape: [1, ...size, channels], dtype: image!.dtype },
  ]);
  const isShared = transforms!.shape[0] === 1;
  const pictures = Array.from({ length: batch }, (_, i) => {
    const picture = slice(image!, [i, 0, 0, 0], [i + 1, height, width, channels]);
    const own = isShared ? transforms! : slice(transforms!, [i, 0], [i + 1, 8]);
    return one({ image: picture, transforms: own }, attributes) as Value;
  });
  return concat(pictures, 0);
};

/**
 * Kernels whose shapes are known beforehand and whose work is picking and placing by numbers, which the host does
 * between two programs.
 */
export const hostKernels: LoweringTable = {
  Bincount,
  BroadcastArgs,
  CropAndResize,
  DenseBincount,
  Dilation2DBackpropFilter: onHost('Dilation2DBackpropFilter', ({ filter }) => like(filter!)),
  Dilation2DBackpropInput: onHost('Dilation2DBackpropInput', ({ x }) => like(x!)),
  Multinomial,
  RotateWithOffset: onHost('RotateWithOffset', ({ image }) => like(image!)),
  SearchSorted: onHost('SearchSorted', ({ values }) => int32(values!.shape)),
  SparseToDense,
  TensorScatterUpdate,
  Transform,
};

/**
 * Kernels of which numbers decide the shapes of what they make, or that compute on strings: their inputs are read
 * within the call.
 */
export const immediateKernels: ReadonlySet<string> = new Set([
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV4',
  'NonMaxSuppressionV5',
  'RaggedGather',
  'RaggedRange',
  'RaggedTensorToTensor',
  'SparseFillEmptyRows',
  'SparseReshape',
  'SparseSegmentMean',
  'SparseSegmentSum',
  'StaticRegexReplace',
  'StringNGrams',
  'StringSplit',
  'StringToHashBucketFast',
  'Unique',
]);
