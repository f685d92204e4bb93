import { emit, isEmpty, scalar } from '../graph.js';
import type { Attribute, Value } from '../graph.js';
import { elementwise, reshape, sameShape } from '../layout.js';
import { constantOf } from './creation.js';
import { divide } from './elementwise.js';
import { pad, slice } from './shape.js';

/** How a window moves over any number of spatial axes; every list has an entry for each of them. */
export interface WindowGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before and behind the input. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * The attributes of ONNX's Conv, ConvTranspose and pools. Where the number of windows was rounded up, the last one
 * stands over the end, which is padding as well.
 */
export function attributesOf(geometry: WindowGeometry): Record<string, Attribute> {
  const { size, strides, dilations, before, after } = geometry;
  const end = restOf(geometry).map((rest, i) => after[i]! + Math.max(0, -rest));
  return { kernel_shape: size, strides, pads: [...before, ...end], dilations };
}

/** What no window reaches at the far end of each axis, padding included. */
export function unreachedOf(geometry: WindowGeometry): number[] {
  return restOf(geometry).map((rest) => Math.max(0, rest));
}

/** What is left behind the last window; negative where that stands over the end. */
function restOf({
  input,
  output,
  size,
  strides,
  dilations,
  before,
  after,
}: WindowGeometry): number[] {
  return input.map((length, i) => {
    const extent = (size[i]! - 1) * dilations[i]! + 1;
    return length + before[i]! + after[i]! - ((output[i]! - 1) * strides[i]! + extent);
  });
}

/**
 * Appends a pool of x, channels first. ONNX Runtime refuses padding as wide as the window: there the largest is found in
 * a padded input, and the average by convolutions with ones, of the input and of the number of its elements.
 */
export function emitPool(
  op: 'AveragePool' | 'MaxPool',
  x: Value,
  shape: readonly number[],
  attributes: Readonly<Record<string, Attribute>>,
): Value {
  const pads = attributes['pads'] as readonly number[];
  const size = attributes['kernel_shape'] as readonly number[];
  const output = { shape, dtype: 'float32' } as const;
  const rank = size.length;
  const isPoint = size.every((length) => length === 1);
  if (isPoint && sameShape(x.shape, shape)) return x; // as in TensorFlow.js, whatever the stride
  if (pads.every((amount, i) => amount < size[i % rank]!)) return emit(op, [x], output, attributes);
  if (op === 'AveragePool') return averageByConvolution(x, shape, attributes);
  const sides = size.map((_, i): [number, number] => [pads[i]!, pads[i + rank]!]);
  const padded = pad(x, [[0, 0], [0, 0], ...sides], -Infinity);
  return emit(op, [padded], output, { ...attributes, pads: pads.map(() => 0) });
}

function averageByConvolution(
  x: Value,
  shape: readonly number[],
  attributes: Readonly<Record<string, Attribute>>,
): Value {
  const size = attributes['kernel_shape'] as readonly number[];
  const kernel = constantOf(1, [1, 1, ...size], 'float32');
  const sum = (planes: Value) => {
    const made = [planes.shape[0]!, 1, ...shape.slice(2)];
    return emit('Conv', [planes, kernel], { shape: made, dtype: 'float32' }, attributes);
  };
  const [batch, channels, ...input] = x.shape as [number, number, ...number[]];
  const sums = sum(reshape(x, [batch * channels, 1, ...input]));
  const counts = sum(constantOf(1, [1, 1, ...input], 'float32'));
  return reshape(divide(sums, elementwise('Max', [counts, scalar(1)])), shape);
}

/**
 * The gradient of an average: each element of a window receives its share, by a transposed convolution of each
 * channel with ones. Padding takes no share, as it is not averaged.
 *
 * @param dy [batch, channels, ...output].
 */
export function spreadAverage(dy: Value, geometry: WindowGeometry): Value {
  const { batch, inChannels, input, output, size } = geometry;
  const window = attributesOf(geometry);
  const ones = [
    constantOf(1, [1, 1, ...input], 'float32'),
    constantOf(1, [1, 1, ...size], 'float32'),
  ];
  const counts = emit('Conv', ones, { shape: [1, 1, ...output], dtype: 'float32' }, window);
  const kernel = constantOf(1, [inChannels, 1, ...size], 'float32');
  const options = { ...window, group: inChannels, output_padding: unreachedOf(geometry) };
  const shape = [batch, inChannels, ...input];
  return emit('ConvTranspose', [divide(dy, counts), kernel], { shape, dtype: 'float32' }, options);
}

/**
 * The gradient of a filter as a convolution with the gradient, whose elements lie a stride apart; the examples are the
 * channels that it sums over.
 *
 * @param x [1 or in, in * batch or batch, ...input], of `groups` groups of channels.
 * @param dy [out, batch, ...output].
 * @returns [1 or in, out, ...size].
 */
export function convolveWithGradient(
  x: Value,
  dy: Value,
  geometry: WindowGeometry,
  groups: number,
): Value {
  const { output, size, strides, dilations } = geometry;
  if (isEmpty(dy)) return constantOf(0, [x.shape[0]!, dy.shape[0]!, ...size], 'float32');
  const unreached = unreachedOf(geometry);
  const reach = size.map((length, i) => length + Math.floor(unreached[i]! / dilations[i]!));
  const window = {
    ...attributesOf(geometry),
    kernel_shape: output,
    strides: dilations,
    dilations: strides,
    group: groups,
  };
  const shape = [x.shape[0]!, dy.shape[0]!, ...reach];
  const whole = emit('Conv', [x, dy], { shape, dtype: 'float32' }, window);
  return slice(
    whole,
    shape.map(() => 0),
    [...shape.slice(0, 2), ...size],
  );
}
