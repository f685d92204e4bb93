import { backend_util } from '@tensorflow/tfjs-core';
import { emit, emitMany, int64s, scalar, sizeOf } from '../graph.js';
import type { DType, Operand, Value } from '../graph.js';
import { cast, elementwise, reshape } from '../layout.js';
import { add, divide, multiply, numeric, subtract } from './elementwise.js';
import { toInt32 } from './exact.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { pad, slice } from './shape.js';

interface ResponseAttributes {
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

/** For each channel, the sum over it and `radius` channels on either side: a pool along the channels alone. */
function sumOfNeighbours(x: Value, radius: number): Value {
  const channels = x.shape.at(-1)!;
  const rows = reshape(x, [sizeOf(x.shape) / channels, 1, channels]);
  const width = 2 * radius + 1;
  const window = { kernel_shape: [width], pads: [radius, radius], count_include_pad: 1 };
  const mean = emit('AveragePool', [rows], rows, window);
  return reshape(multiply(mean, scalar(width)), x.shape);
}

const powerOf = (base: Operand, exponent: number): Value =>
  elementwise('Pow', [base, scalar(exponent)]);

function scaleOf(x: Value, { depthRadius, bias, alpha }: ResponseAttributes): Value {
  const squares = sumOfNeighbours(multiply(x, x), depthRadius);
  return add(multiply(squares, scalar(alpha)), scalar(bias));
}

/** Local response normalisation: x / (bias + alpha sum of squares)^beta. */
const LRN: Lowering<ResponseAttributes> = ({ x }, attributes) =>
  multiply(x, powerOf(scaleOf(x!, attributes), -attributes.beta));

const LRNGrad: Lowering<ResponseAttributes> = ({ x, y, dy }, attributes) => {
  const { depthRadius, alpha, beta } = attributes;
  const scale = scaleOf(x!, attributes);
  const own = multiply(dy, powerOf(scale, -beta));
  const shared = sumOfNeighbours(divide(multiply(dy, y), scale), depthRadius);
  return subtract(own, multiply(multiply(x, shared), scalar(2 * alpha * beta)));
};

interface DilationAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number;
  readonly dilations: number | [number, number];
}

/**
 * Grey dilation: for each place, the largest of what the filter sees plus the filter. Of integers in float64, which
 * has a number below all sums of theirs to pad with.
 */
const Dilation2D: Lowering<DilationAttributes> = ({ x, filter }, attributes) => {
  if (x!.dtype === 'float32') return dilate(x!, filter!, attributes);
  return toInt32(dilate(cast(x!, 'float64'), cast(filter!, 'float64'), attributes));
};

function dilate(x: Value, filter: Value, attributes: DilationAttributes): Value {
  const info = backend_util.computeDilation2DInfo(
    x.shape as [number, number, number, number],
    filter.shape as [number, number, number],
    attributes.strides,
    attributes.pad as 'same',
    'NHWC',
    attributes.dilations,
  );
  const { top, left, bottom, right } = info.padInfo;
  const padded = pad(
    x,
    [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    -Infinity,
  );
  const strides = [1, info.strideHeight, info.strideWidth, 1];
  const sums: Value[] = [];
  for (let row = 0; row < info.filterHeight; row++) {
    for (let column = 0; column < info.filterWidth; column++) {
      const begin = [0, row * info.dilationHeight, column * info.dilationWidth, 0];
      const end = [
        info.batchSize,
        begin[1]! + (info.outHeight - 1) * info.strideHeight + 1,
        begin[2]! + (info.outWidth - 1) * info.strideWidth + 1,
        info.inChannels,
      ];
      const tap = slice(filter, [row, column, 0], [row + 1, column + 1, info.inChannels]);
      sums.push(add(slice(padded, begin, end, strides), reshape(tap, [info.inChannels])));
    }
  }
  return sums.length === 1 ? sums[0]! : emit('Max', sums, sums[0]!);
}

/** The largest k along the last axis, and where they stand; in order, whether that is asked for or not. */
const TopK: Lowering<{ k: number }> = ({ x }, { k }) => {
  const shape = [...x!.shape.slice(0, -1), k];
  const numbers = numeric(x!);
  const outputs = [
    { shape, dtype: numbers.dtype },
    { shape, dtype: 'int64' },
  ] as const;
  const inputs = [numbers, int64s([k])];
  const [values, positions] = emitMany('TopK', inputs, outputs, { axis: -1 });
  return [cast(values!, x!.dtype as DType), cast(positions!, 'int32')];
};

/** Kernels that compare or sum each element with those beside it. */
export const neighbourKernels: LoweringTable = { Dilation2D, LRN, LRNGrad, TopK };
