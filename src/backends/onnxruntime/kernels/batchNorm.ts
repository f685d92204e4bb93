import { emit, scalar } from '../graph.js';
import type { Value } from '../graph.js';
import { elementwise, reduce, reshape, transpose, TO_NCHW, TO_NHWC } from '../layout.js';
import { constantOf } from './creation.js';
import { add, divide, multiply, subtract } from './elementwise.js';
import { foldIntoConvolution } from './fold.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { matMul } from './matrix.js';

// All of it is memory traffic, so each pass over the maps counts: they are kept in NCHW, where a channel's mean is a
// sum along contiguous memory, a sum of products is a product of matrices of one row, and a convolution of each channel
// by itself with one weight and a bias scales and shifts in one pass, on all threads.

/**
 * Normalises x [batch, height, width, channels] by its own statistics: the result, x less its mean, and per channel
 * the mean, the biased variance and 1 / deviation.
 */
const BatchNorm: Lowering<{ epsilon: number }> = ({ x, gamma, beta }, { epsilon }) => {
  const maps = transpose(x!, TO_NCHW);
  const channels = gamma!.shape;
  const mean = reduce('ReduceMean', maps, [0, 2, 3], true); // [1, channels, 1, 1]
  const centred = subtract(maps, mean);
  const variance = divide(channelDots(centred, centred), scalar(countOf(maps)));
  const deviation = elementwise('Sqrt', [add(variance, scalar(epsilon))]);
  const inverseDeviation = elementwise('Reciprocal', [deviation]);
  const y = scaleAndShift(centred, multiply(gamma, inverseDeviation), beta!);
  return [
    transpose(y, TO_NHWC),
    transpose(centred, TO_NHWC),
    reshape(mean, channels),
    variance,
    inverseDeviation,
  ];
};

/** dx = s dy + b centred + c with b and c per channel, and the gradients of gamma and beta. */
const BatchNormGrad: Lowering = ({ dy, centred, gamma, inverseDeviation }) => {
  const gradient = transpose(dy!, TO_NCHW);
  const maps = transpose(centred!, TO_NCHW);
  const share = scalar(-1 / countOf(maps));
  const scale = multiply(gamma, inverseDeviation);
  const dBeta = reduce('ReduceSum', gradient, [0, 2, 3], false);
  const dGamma = multiply(channelDots(gradient, maps), inverseDeviation);
  const b = multiply(multiply(multiply(scale, inverseDeviation), dGamma), share);
  const c = multiply(multiply(scale, dBeta), share);
  const zero = constantOf(0, gamma!.shape, 'float32');
  const dx = add(scaleAndShift(gradient, scale, c), scaleAndShift(maps, b, zero));
  return [transpose(dx, TO_NHWC), dGamma, dBeta];
};

interface InferenceAttributes {
  readonly epsilon: number;
}

/** With the running statistics, within the convolution before it where that is less work. */
const BatchNormInference: Lowering<InferenceAttributes> = (inputs, attributes) => {
  const { x, weight, bias, mean, variance } = inputs;
  const maps = transpose(x!, TO_NCHW);
  const deviation = elementwise('Sqrt', [add(variance, scalar(attributes.epsilon))]);
  const scale = divide(weight, deviation);
  const folded = foldIntoConvolution(maps, scale, subtract(bias, multiply(mean, scale)));
  if (folded === undefined) return batchNormalization(inputs, attributes);
  return transpose(folded, TO_NHWC);
};

/** With the running statistics, as the operator that it is. */
export const batchNormalization: Lowering<InferenceAttributes> = (
  { x, weight, bias, mean, variance },
  { epsilon },
) => {
  const inputs = [transpose(x!, TO_NCHW), weight, bias, mean, variance];
  const output = { shape: inputs[0]!.shape, dtype: 'float32' } as const;
  const y = emit('BatchNormalization', inputs, output, { epsilon: { float: epsilon } });
  return transpose(y, TO_NHWC);
};

const countOf = ({ shape: [batch, , height, width] }: Value): number => batch! * height! * width!;

/** For each channel, the sum of the products of two maps [batch, channels, height, width]: [channels]. */
function channelDots(a: Value, b: Value): Value {
  const [batch, channels, height, width] = a.shape as [number, number, number, number];
  const rows = [a, b].map((maps) => reshape(maps, [batch * channels, 1, height * width]));
  const dots = reshape(matMul(rows[0]!, rows[1]!, false, true), [batch, channels]);
  return reduce('ReduceSum', dots, [0], false);
}

/**
 * Below this many places a channel costs a convolution more to begin than to compute, and ONNX's BatchNormalization,
 * which runs on one thread, is faster.
 */
const FEW_PLACES = 128;

/** maps * scale + shift, both [channels]. */
function scaleAndShift(maps: Value, scale: Value, shift: Value): Value {
  const [, channels, height, width] = maps.shape as [number, number, number, number];
  const output = { shape: maps.shape, dtype: 'float32' } as const;
  if (height * width < FEW_PLACES) {
    const [zero, one] = [0, 1].map((number) => constantOf(number, scale.shape, 'float32'));
    const asItIs = { epsilon: { float: 0 } };
    return emit('BatchNormalization', [maps, scale, shift, zero, one], output, asItIs);
  }
  const weight = reshape(scale, [channels, 1, 1, 1]);
  return emit('Conv', [maps, weight, shift], output, { group: channels, kernel_shape: [1, 1] });
}

/** Kernels of this library's own batch normalisation (src/nn/norm.ts). */
export const batchNormKernels: LoweringTable = { BatchNorm, BatchNormGrad, BatchNormInference };
