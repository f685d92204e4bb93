import { backend_util, util } from '@tensorflow/tfjs-core';
import { scalar, sizeOf, Value } from '../graph.js';
import type { DType } from '../graph.js';
import { elementwise, reshape, transpose } from '../layout.js';
import { where } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { pad, slice } from './shape.js';

const SpaceToBatchND: Lowering<{ blockShape: number[]; paddings: [number, number][] }> = (
  { x },
  { blockShape, paddings },
) => {
  const area = util.sizeFromShape(blockShape);
  const rest = x!.shape.slice(1 + blockShape.length).map((): [number, number] => [0, 0]);
  const padded = pad(x!, [[0, 0], ...paddings, ...rest]);
  const shape = padded.shape as number[];
  const split = backend_util.getReshaped(shape, blockShape, area, false);
  const perm = backend_util.getPermuted(split.length, blockShape.length, false);
  const joined = backend_util.getReshapedPermuted(shape, blockShape, area, false);
  return reshape(transpose(reshape(padded, split), perm), joined);
};

const BatchToSpaceND: Lowering<{ blockShape: number[]; crops: number[][] }> = (
  { x },
  { blockShape, crops },
) => {
  const area = util.sizeFromShape(blockShape);
  const shape = x!.shape as number[];
  const split = backend_util.getReshaped(shape, blockShape, area);
  const perm = backend_util.getPermuted(split.length, blockShape.length);
  const joined = backend_util.getReshapedPermuted(shape, blockShape, area);
  const begin = backend_util.getSliceBeginCoords(crops, blockShape.length);
  const size = backend_util.getSliceSize(joined, crops, blockShape.length);
  const whole = reshape(transpose(reshape(x!, split), perm), joined);
  const end = joined.map((length, i) => (i < begin.length ? begin[i]! + size[i]! : length));
  return slice(
    whole,
    joined.map((_, i) => begin[i] ?? 0),
    end,
  );
};

const DepthToSpace: Lowering<{ blockSize: number; dataFormat: 'NHWC' | 'NCHW' }> = (
  { x },
  { blockSize, dataFormat },
) => {
  const isLast = dataFormat === 'NHWC';
  const [batch, ...sizes] = x!.shape as [number, number, number, number];
  const [height, width, depth] = isLast ? sizes : [sizes[1], sizes[2], sizes[0]];
  const channels = depth / blockSize ** 2;
  const [tall, wide] = [height * blockSize, width * blockSize];
  if (isLast) {
    const split = reshape(x!, [batch, height, width, blockSize, blockSize, channels]);
    return reshape(transpose(split, [0, 1, 3, 2, 4, 5]), [batch, tall, wide, channels]);
  }
  const split = reshape(x!, [batch, blockSize, blockSize, channels, height, width]);
  return reshape(transpose(split, [0, 3, 4, 1, 5, 2]), [batch, channels, tall, wide]);
};

/** A tensor of twice the rank whose diagonal is x. */
const Diag: Lowering = ({ x }) => {
  const size = sizeOf(x!.shape);
  const positions = Int32Array.from({ length: size }, (_, i) => i);
  const [column, row] = [
    [size, 1],
    [1, size],
  ].map((shape) => Value.of(positions, shape, 'int32'));
  const diagonal = elementwise('Equal', [column, row], 'bool');
  const dtype = x!.dtype as DType;
  const matrix = where(diagonal, reshape(x!, [1, size]), scalar(0, dtype), dtype);
  return reshape(matrix, [...x!.shape, ...x!.shape]);
};

/** Kernels that rearrange elements in blocks. */
export const blockKernels: LoweringTable = { BatchToSpaceND, DepthToSpace, Diag, SpaceToBatchND };
