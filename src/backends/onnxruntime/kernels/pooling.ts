import { backend_util } from '@tensorflow/tfjs-core';
import { emit, emitMany, sizeOf } from '../graph.js';
import type { OnnxNode, Value } from '../graph.js';
import { reshape, transpose, TO_NCHW, TO_NHWC } from '../layout.js';
import { fromNchw, toNchw, unreached, windowAttributes } from './convolution.js';
import { constantOf } from './creation.js';
import { divide } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';

interface PoolAttributes {
  readonly filterSize: number | [number, number];
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | [number, number][];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type PoolInfo = backend_util.Conv2DInfo;

function poolInfo(shape: readonly number[], attributes: PoolAttributes): PoolInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  return backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad as never,
    dimRoundingMode,
  );
}

const outputShape = (info: PoolInfo): number[] => [
  info.batchSize,
  info.outChannels,
  info.outHeight,
  info.outWidth,
];

const pool =
  (op: string): Lowering<PoolAttributes> =>
  ({ x }, attributes) => {
    const info = poolInfo(x!.shape, attributes);
    const output = { shape: outputShape(info), dtype: 'float32' } as const;
    return fromNchw(emit(op, [toNchw(x!, info)], output, windowAttributes(info)), info);
  };

/** ONNX has no gradient of MaxPool: its positions, and adding the gradient up at them, make one. */
const MaxPoolGrad: Lowering<PoolAttributes> = ({ dy, input, output }, attributes) => {
  const info = poolInfo(input!.shape, attributes);
  const x = transpose(input!, TO_NCHW);
  const positions = positionsOf(transpose(output!, TO_NCHW), x, info);
  const gradient = transpose(dy!, TO_NCHW);
  const zeros = constantOf(0, [sizeOf(x.shape)], 'float32');
  const inputs = [zeros, flat(positions), flat(gradient)];
  const sums = emit('ScatterElements', inputs, zeros, { axis: 0, reduction: 'add' });
  return transpose(reshape(sums, x.shape), TO_NHWC);
};

/** Where each largest element stands: of the forward pool itself, where it is still to be computed. */
function positionsOf(y: Value, x: Value, info: PoolInfo): Value {
  const outputs = [y, { shape: y.shape, dtype: 'int64' }] as const;
  const [again, positions] = emitMany('MaxPool', [x], outputs, windowAttributes(info));
  const { node } = y;
  const isForward = node?.kind === 'onnx' && node.op === 'MaxPool' && node.inputs[0] === x;
  if (isForward && !y.running) adopt(y, again!.node as OnnxNode);
  return positions!;
}

/** Makes a pending value the first output of another node that computes the same. */
function adopt(value: Value, node: OnnxNode): void {
  const whole: OnnxNode = { ...node, outputs: [value, ...node.outputs.slice(1)] };
  for (const output of whole.outputs) output.node = whole;
}

const flat = (value: Value): Value => reshape(value, [sizeOf(value.shape)]);

/** Each element of a window receives its share, by a transposed convolution of each channel with ones. */
const AvgPoolGrad: Lowering<PoolAttributes> = ({ dy, input }, attributes) => {
  const info = poolInfo(input!.shape, attributes);
  const channels = info.inChannels;
  const inputShape = [info.batchSize, channels, info.inHeight, info.inWidth];
  const window = windowAttributes(info);
  const ones = constantOf(1, [channels, 1, info.filterHeight, info.filterWidth], 'float32');
  const counted = emit(
    'Conv',
    [constantOf(1, [1, 1, info.inHeight, info.inWidth], 'float32'), windowOfOnes(info)],
    { shape: [1, 1, info.outHeight, info.outWidth], dtype: 'float32' },
    window,
  );
  const share = divide(transpose(dy!, TO_NCHW), counted);
  const options = { ...window, group: channels, output_padding: unreached(info) };
  const dx = emit('ConvTranspose', [share, ones], { shape: inputShape, dtype: 'float32' }, options);
  return transpose(dx, TO_NHWC);
};

const windowOfOnes = (info: PoolInfo): Value =>
  constantOf(1, [1, 1, info.filterHeight, info.filterWidth], 'float32');

/** Kernels that pool. */
export const poolingKernels: LoweringTable = {
  AvgPool: pool('AveragePool'),
  AvgPoolGrad,
  MaxPool: pool('MaxPool'),
  MaxPoolGrad,
};
