import { backend_util, util } from '@tensorflow/tfjs-core';
import { emit, emitMany, scalar, sizeOf, Value } from '../graph.js';
import type { OnnxNode } from '../graph.js';
import { cast, elementwise, reshape, transpose, TO_NCHW, TO_NHWC } from '../layout.js';
import {
  fromNchw,
  infoOfResult,
  toNchw,
  unreached,
  windowAttributes,
  withWholeWindows,
} from './convolution.js';
import { constantOf } from './creation.js';
import { add, divide, multiply, where } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { emitPool } from './window.js';

/** What TensorFlow.js says of a pool. */
export interface PoolAttributes {
  readonly filterSize: number | [number, number];
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | [number, number][];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type PoolInfo = backend_util.Conv2DInfo;

/** The geometry of a pool of this shape. */
export function poolInfo(shape: readonly number[], attributes: PoolAttributes): PoolInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  const info = backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad as never,
    dimRoundingMode,
  );
  return withWholeWindows(info);
}

const outputShape = (info: PoolInfo): number[] => [
  info.batchSize,
  info.outChannels,
  info.outHeight,
  info.outWidth,
];

const pool =
  (op: 'AveragePool' | 'MaxPool'): Lowering<PoolAttributes> =>
  ({ x }, attributes) => {
    const info = poolInfo(x!.shape, attributes);
    const planes = toNchw(cast(x!, 'float32'), info);
    return fromNchw(emitPool(op, planes, outputShape(info), windowAttributes(info)), info);
  };

/** Positions as TensorFlow.js numbers them: row, column, channel, of all examples or of each. */
const MaxPoolWithArgmax: Lowering<PoolAttributes & { includeBatchInIndex: boolean }> = (
  { x },
  attributes,
) => {
  util.assert(
    x!.shape.length === 4,
    () => `maxPoolWithArgmax: x must be of rank 4, got [${x!.shape}]`,
  );
  const info = poolInfo(x!.shape, attributes);
  const { batchSize, inChannels, inHeight, inWidth } = info;
  const plane = inHeight * inWidth;
  const spec = { shape: outputShape(info), dtype: 'float32' } as const;
  const outputs = [spec, { ...spec, dtype: 'int64' }] as const;
  const numbers = cast(x!, 'float32');
  const isNaN = elementwise('IsNaN', [numbers], 'bool');
  const planes = transpose(where(isNaN, scalar(-Infinity), numbers, 'float32'), TO_NCHW);
  const [y, places] = emitMany('MaxPool', [planes], outputs, windowAttributes(info));
  const place = cast(elementwise('Mod', [places, scalar(plane, 'int64')]), 'int32');
  const first = Int32Array.from({ length: batchSize * inChannels }, (_, i) => {
    const example = attributes.includeBatchInIndex ? Math.floor(i / inChannels) : 0;
    return example * plane * inChannels + (i % inChannels);
  });
  const offset = Value.of(first, [batchSize, inChannels, 1, 1], 'int32');
  const positions = add(multiply(place, scalar(inChannels, 'int32')), offset);
  return [y!, positions].map((value) => transpose(value, TO_NHWC));
};

/** ONNX has no gradient of MaxPool: its positions, and adding the gradient up at them, make one. */
const MaxPoolGrad: Lowering<PoolAttributes> = ({ dy, input, output }, attributes) => {
  const info = infoOfResult(dy!.shape, attributes, (given) => poolInfo(input!.shape, given));
  const x = transpose(input!, TO_NCHW);
  const positions = positionsOf(transpose(output!, TO_NCHW), x, info);
  const gradient = transpose(dy!, TO_NCHW);
  const zeros = constantOf(0, [sizeOf(x.shape)], 'float32');
  const inputs = [zeros, flat(positions), flat(gradient)];
  const sums = emit('ScatterElements', inputs, zeros, { axis: 0, reduction: 'add' });
  return transpose(reshape(sums, x.shape), TO_NHWC);
};

/** Where each largest element stands: of the forward pool itself, where that is still to be computed in this program. */
function positionsOf(y: Value, x: Value, info: PoolInfo): Value {
  const outputs = [y, { shape: y.shape, dtype: 'int64' }] as const;
  const [again, positions] = emitMany('MaxPool', [x], outputs, windowAttributes(info));
  const [node, other] = [y.node, again!.node as OnnxNode];
  const isForward = node?.kind === 'onnx' && node.op === 'MaxPool' && node.inputs[0] === x;
  if (isForward && !y.running && node.segment === other.segment) adopt(y, other);
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
  const info = infoOfResult(dy!.shape, attributes, (given) => poolInfo(input!.shape, given));
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
  MaxPoolWithArgmax,
};
