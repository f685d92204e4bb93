import type { backend_util } from '@tensorflow/tfjs-core';
import { emit, sizeOf } from '../graph.js';
import type { Value } from '../graph.js';
import {
  reduce,
  reshape,
  transpose,
  transposedView,
  TO_NCHW,
  TO_NHWC,
  TO_OIHW,
} from '../layout.js';
import { constantOf } from './creation.js';
import { matMul } from './matrix.js';
import { pad, slice } from './shape.js';

type ConvInfo = backend_util.Conv2DInfo;

// A 1 x 1 convolution is a product of matrices. Where the maps lie as NCHW it is one for each picture, filter by
// [in, height * width]; where they lie as NHWC, one for all of them, [batch * height * width, in] by filter.

/** Whether a filter is 1 x 1 without padding. */
export function isPointwise({ filterHeight, filterWidth, padInfo }: ConvInfo): boolean {
  const { top, left, bottom, right } = padInfo;
  return filterHeight === 1 && filterWidth === 1 && top + left + bottom + right === 0;
}

const isStrided = ({ strideHeight, strideWidth }: ConvInfo): boolean =>
  strideHeight !== 1 || strideWidth !== 1;

/** Whether maps lie in memory as NCHW. */
function liesChannelsFirst(maps: Value, { dataFormat }: ConvInfo): boolean {
  return (dataFormat === 'channelsFirst') === (transposedView(maps) === undefined);
}

const toNchw = (maps: Value, { dataFormat }: ConvInfo): Value =>
  dataFormat === 'channelsLast' ? transpose(maps, TO_NCHW) : maps;
const fromNchw = (maps: Value, { dataFormat }: ConvInfo): Value =>
  dataFormat === 'channelsLast' ? transpose(maps, TO_NHWC) : maps;
const toNhwc = (maps: Value, { dataFormat }: ConvInfo): Value =>
  dataFormat === 'channelsLast' ? maps : transpose(maps, TO_NHWC);
const fromNhwc = (maps: Value, { dataFormat }: ConvInfo): Value =>
  dataFormat === 'channelsLast' ? maps : transpose(maps, TO_NCHW);

/** The convolution of maps with a 1 x 1 filter. */
export function convolvePoints(x: Value, filter: Value, info: ConvInfo): Value {
  const { batchSize, outChannels, outHeight, outWidth, inChannels } = info;
  if (liesChannelsFirst(x, info)) {
    const columns = toColumns(everyStride(toNchw(x, info), info, [1, 1]), inChannels);
    const y = multiplyColumns(filter, columns, false);
    return fromNchw(reshape(y, [batchSize, outChannels, outHeight, outWidth]), info);
  }
  const rows = toRows(everyStride(toNhwc(x, info), info, [1]), inChannels);
  const y = multiplyRows(rows, filter, false);
  return fromNhwc(reshape(y, [batchSize, outHeight, outWidth, outChannels]), info);
}

/** Its gradient for the maps. */
export function pointsInputGradient(dy: Value, filter: Value, info: ConvInfo): Value {
  const { batchSize, inChannels, outHeight, outWidth, outChannels } = info;
  if (liesChannelsFirst(dy, info)) {
    const columns = multiplyColumns(filter, toColumns(toNchw(dy, info), outChannels), true);
    const seen = reshape(columns, [batchSize, inChannels, outHeight, outWidth]);
    return fromNchw(spread(seen, info, 2), info);
  }
  const rows = multiplyRows(toRows(toNhwc(dy, info), outChannels), filter, true);
  const seen = reshape(rows, [batchSize, outHeight, outWidth, inChannels]);
  return fromNhwc(spread(seen, info, 1), info);
}

/** Its gradient for the filter, HWIO. */
export function pointsFilterGradient(x: Value, dy: Value, info: ConvInfo): Value {
  const product =
    liesChannelsFirst(dy, info) && isSmallerPerPicture(info)
      ? gradientOfColumns(x, dy, info)
      : gradientOfRows(x, dy, info); // [out, in]
  return transpose(reshape(product, [1, 1, info.outChannels, info.inChannels]), [0, 1, 3, 2]);
}

/** Whether a product for each picture, to be added up, is less to write than the maps turned to NHWC. */
function isSmallerPerPicture({ inChannels, outChannels, outHeight, outWidth }: ConvInfo): boolean {
  return inChannels * outChannels < 2 * (inChannels + outChannels) * outHeight * outWidth;
}

function gradientOfColumns(x: Value, dy: Value, info: ConvInfo): Value {
  const columns = toColumns(everyStride(toNchw(x, info), info, [1, 1]), info.inChannels);
  const products = matMul(toColumns(toNchw(dy, info), info.outChannels), columns, false, true);
  return reduce('ReduceSum', products, [0], false);
}

function gradientOfRows(x: Value, dy: Value, info: ConvInfo): Value {
  const rows = toRows(everyStride(toNhwc(x, info), info, [1]), info.inChannels);
  return matMul(toRows(toNhwc(dy, info), info.outChannels), rows, true, false);
}

/** [batch, channels, height, width] to [batch, channels, height * width]. */
function toColumns(maps: Value, channels: number): Value {
  const batch = maps.shape[0]!;
  return reshape(maps, [batch, channels, sizeOf(maps.shape) / batch / channels]);
}

/** [batch, height, width, channels] to [batch * height * width, channels]. */
export function toRows(maps: Value, channels: number): Value {
  return reshape(maps, [sizeOf(maps.shape) / channels, channels]);
}

/** filter [out, in], or its transpose, by columns [batch, in, n], in whichever layout the filter lies. */
function multiplyColumns(filter: Value, columns: Value, transposed: boolean): Value {
  const { matrix, isOutIn } = filterMatrix(filter);
  return matMul(matrix, columns, isOutIn === transposed, false);
}

/** rows [n, in] by a filter's transpose [in, out], or rows [n, out] by the filter. */
function multiplyRows(rows: Value, filter: Value, transposed: boolean): Value {
  const { matrix, isOutIn } = filterMatrix(filter);
  return matMul(rows, matrix, false, isOutIn !== transposed);
}

/** A 1 x 1 filter as the matrix that it is in memory: [out, in] (PyTorch's) or [in, out] (TensorFlow.js's). */
function filterMatrix(filter: Value): { matrix: Value; isOutIn: boolean } {
  const [, , inChannels, outChannels] = filter.shape as [number, number, number, number];
  if (transposedView(filter) === undefined)
    return { matrix: reshape(filter, [inChannels, outChannels]), isOutIn: false };
  return { matrix: reshape(transpose(filter, TO_OIHW), [outChannels, inChannels]), isOutIn: true };
}

/** Every place that a stride lands on; `leading` are the strides of the axes before height and width. */
function everyStride(maps: Value, info: ConvInfo, leading: readonly number[]): Value {
  if (!isStrided(info)) return maps;
  const strides = [...leading, info.strideHeight, info.strideWidth, 1].slice(0, 4);
  return slice(maps, [0, 0, 0, 0], maps.shape, strides);
}

/** The inverse of `everyStride`: zeros where no stride lands. Height stands on axis `at`. */
function spread(maps: Value, info: ConvInfo, at: 1 | 2): Value {
  if (!isStrided(info)) return maps;
  return at === 2 ? spreadChannelsFirst(maps, info) : spreadChannelsLast(maps, info);
}

/** A convolution of each channel by itself, transposed, writes the zeros in one pass; padding takes several. */
function spreadChannelsFirst(maps: Value, info: ConvInfo): Value {
  const { batchSize, inChannels, inHeight, inWidth, outHeight, outWidth } = info;
  const strides = [info.strideHeight, info.strideWidth];
  const rest = [
    inHeight - (outHeight - 1) * info.strideHeight - 1,
    inWidth - (outWidth - 1) * info.strideWidth - 1,
  ];
  return emit(
    'ConvTranspose',
    [maps, constantOf(1, [inChannels, 1, 1, 1], 'float32')],
    { shape: [batchSize, inChannels, inHeight, inWidth], dtype: 'float32' },
    { group: inChannels, kernel_shape: [1, 1], strides, output_padding: rest },
  );
}

function spreadChannelsLast(maps: Value, info: ConvInfo): Value {
  const { strideHeight, strideWidth, outHeight, outWidth, inHeight, inWidth } = info;
  const [batch, , , channels] = maps.shape as [number, number, number, number];
  const none: [number, number] = [0, 0];
  const apart = pad(reshape(maps, [batch, outHeight, 1, outWidth, 1, channels]), [
    none,
    none,
    [0, strideHeight - 1],
    none,
    [0, strideWidth - 1],
    none,
  ]);
  const [height, width] = [outHeight * strideHeight, outWidth * strideWidth];
  const padded = pad(reshape(apart, [batch, height, width, channels]), [
    none,
    [0, Math.max(0, inHeight - height)],
    [0, Math.max(0, inWidth - width)],
    none,
  ]);
  return slice(padded, [0, 0, 0, 0], [batch, inHeight, inWidth, channels]);
}
