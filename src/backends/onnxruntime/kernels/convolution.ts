import { backend_util } from '@tensorflow/tfjs-core';
import { emit, sizeOf } from '../graph.js';
import type { Attribute, Value } from '../graph.js';
import { reshape, transpose, transposedView, TO_NCHW, TO_NHWC, TO_OIHW } from '../layout.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { finish, matMul } from './matrix.js';
import { concat, pad, slice } from './shape.js';

interface ConvAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | [number, number][];
  readonly dataFormat: 'NHWC' | 'NCHW';
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type ConvInfo = backend_util.Conv2DInfo;

function convInfo(
  x: readonly number[],
  filter: readonly number[],
  attributes: ConvAttributes,
): ConvInfo {
  return backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    attributes.strides,
    attributes.dilations ?? 1,
    attributes.pad as Parameters<typeof backend_util.computeConv2DInfo>[4],
    attributes.dimRoundingMode,
    false,
    attributes.dataFormat === 'NCHW' ? 'channelsFirst' : 'channelsLast',
  );
}

/** The attributes of ONNX's Conv, ConvTranspose and pools. */
export function windowAttributes(info: ConvInfo): Record<string, Attribute> {
  const { top, left, bottom, right } = info.padInfo;
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    pads: [top, left, bottom, right],
    dilations: [info.dilationHeight, info.dilationWidth],
  };
}

export function toNchw(value: Value, info: ConvInfo): Value {
  return info.dataFormat === 'channelsLast' ? transpose(value, TO_NCHW) : value;
}

export function fromNchw(value: Value, info: ConvInfo): Value {
  return info.dataFormat === 'channelsLast' ? transpose(value, TO_NHWC) : value;
}

function toNhwc(value: Value, info: ConvInfo): Value {
  return info.dataFormat === 'channelsLast' ? value : transpose(value, TO_NHWC);
}

function fromNhwc(value: Value, info: ConvInfo): Value {
  return info.dataFormat === 'channelsLast' ? value : transpose(value, TO_NCHW);
}

function isPointwise(info: ConvInfo): boolean {
  const { top, left, bottom, right } = info.padInfo;
  return info.filterHeight === 1 && info.filterWidth === 1 && top + left + bottom + right === 0;
}

const Conv2D: Lowering<ConvAttributes> = ({ x, filter }, attributes) =>
  convolve(x!, filter!, convInfo(x!.shape, filter!.shape, attributes));

function convolve(x: Value, filter: Value, info: ConvInfo): Value {
  if (isPointwise(info)) return convolvePoints(x, filter, info);
  const shape = [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
  const inputs = [toNchw(x, info), transpose(filter, TO_OIHW)];
  const y = emit('Conv', inputs, { shape, dtype: 'float32' }, windowAttributes(info));
  return fromNchw(y, info);
}

/** A 1 x 1 convolution is a product of matrices, which is faster on NHWC than ONNX Runtime's Conv on NCHW. */
function convolvePoints(x: Value, filter: Value, info: ConvInfo): Value {
  const rows = toRows(everyStride(toNhwc(x, info), info), info.inChannels);
  const y = multiplyFilter(rows, filter, false);
  return fromNhwc(
    reshape(y, [info.batchSize, info.outHeight, info.outWidth, info.outChannels]),
    info,
  );
}

/** rows [n, in] by a 1 x 1 filter, or by its transpose, in whichever layout the filter lies. */
function multiplyFilter(rows: Value, filter: Value, transposed: boolean): Value {
  const [, , inChannels, outChannels] = filter.shape as [number, number, number, number];
  if (transposedView(filter) === undefined) {
    return matMul(rows, reshape(filter, [inChannels, outChannels]), false, transposed);
  }
  return matMul(
    rows,
    reshape(transpose(filter, TO_OIHW), [outChannels, inChannels]),
    false,
    !transposed,
  );
}

function toRows(value: Value, channels: number): Value {
  return reshape(value, [sizeOf(value.shape) / channels, channels]);
}

function everyStride(x: Value, { strideHeight, strideWidth }: ConvInfo): Value {
  if (strideHeight === 1 && strideWidth === 1) return x;
  return slice(x, [0, 0, 0, 0], x.shape, [1, strideHeight, strideWidth, 1]);
}

const Conv2DBackpropInput: Lowering<ConvAttributes & { inputShape: number[] }> = (
  { dy, filter },
  attributes,
) => {
  const info = convInfo(attributes.inputShape, filter!.shape, attributes);
  if (isPointwise(info)) {
    const rows = multiplyFilter(toRows(toNhwc(dy!, info), info.outChannels), filter!, true);
    const seen = [info.batchSize, info.outHeight, info.outWidth, info.inChannels];
    return fromNhwc(spread(reshape(rows, seen), info), info);
  }
  const shape = [info.batchSize, info.inChannels, info.inHeight, info.inWidth];
  const inputs = [toNchw(dy!, info), transpose(filter!, TO_OIHW)];
  const window = { ...windowAttributes(info), output_padding: unreached(info) };
  return fromNchw(emit('ConvTranspose', inputs, { shape, dtype: 'float32' }, window), info);
};

/** The inverse of `everyStride`: zeros where no stride lands. */
function spread(x: Value, info: ConvInfo): Value {
  const {
    strideHeight,
    strideWidth,
    batchSize,
    outHeight,
    outWidth,
    inHeight,
    inWidth,
    inChannels,
  } = info;
  if (strideHeight === 1 && strideWidth === 1) return x;
  const apart = pad(reshape(x, [batchSize, outHeight, 1, outWidth, 1, inChannels]), [
    [0, 0],
    [0, 0],
    [0, strideHeight - 1],
    [0, 0],
    [0, strideWidth - 1],
    [0, 0],
  ]);
  const [height, width] = [outHeight * strideHeight, outWidth * strideWidth];
  const whole = reshape(apart, [batchSize, height, width, inChannels]);
  const padded = pad(whole, [
    [0, 0],
    [0, Math.max(0, inHeight - height)],
    [0, Math.max(0, inWidth - width)],
    [0, 0],
  ]);
  return slice(padded, [0, 0, 0, 0], [batchSize, inHeight, inWidth, inChannels]);
}

/** The rows and columns at the far end, padding included, that no window reaches. */
export function unreached(info: ConvInfo): [number, number] {
  const { top, left, bottom, right } = info.padInfo;
  const reachedRows =
    (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight - top - bottom;
  const reachedColumns =
    (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth - left - right;
  return [info.inHeight - reachedRows, info.inWidth - reachedColumns];
}

/** Below this many input channels the gradient of the filter is a convolution, above a product for each tap. */
const FEW_CHANNELS = 16;

/**
 * The gradient of the filter: for each tap, the product of the gradient with the part of the picture that the tap
 * saw, which is faster than to express it as a Conv where there are channels enough.
 */
const Conv2DBackpropFilter: Lowering<ConvAttributes & { filterShape: number[] }> = (
  { x, dy },
  attributes,
) => {
  const info = convInfo(x!.shape, attributes.filterShape, attributes);
  const { filterHeight, filterWidth, inChannels, outChannels } = info;
  if (inChannels < FEW_CHANNELS && !isPointwise(info)) return convolveForFilter(x!, dy!, info);
  const gradient = toRows(toNhwc(dy!, info), outChannels);
  const taps = tapsOf(toNhwc(x!, info), info).map((tap) => toRows(tap, inChannels));
  const products = taps.map((tap) =>
    reshape(matMul(gradient, tap, true, false), [1, outChannels, inChannels]),
  );
  const hwoi = reshape(concat(products, 0), [filterHeight, filterWidth, outChannels, inChannels]);
  return transpose(hwoi, [0, 1, 3, 2]);
};

/** The channels become the batch: the picture is convolved with the gradient, whose pixels lie a stride apart. */
function convolveForFilter(x: Value, dy: Value, info: ConvInfo): Value {
  const { filterHeight, filterWidth, inChannels, outChannels } = info;
  const perChannel = transpose(toNchw(x, info), [1, 0, 2, 3]); // [in, batch, height, width]
  const kernel = transpose(toNchw(dy, info), [1, 0, 2, 3]); // [out, batch, height, width]
  const { top, left, bottom, right } = info.padInfo;
  const [restHeight, restWidth] = unreached(info);
  const shape = [
    inChannels,
    outChannels,
    filterHeight + Math.floor(restHeight / info.dilationHeight),
    filterWidth + Math.floor(restWidth / info.dilationWidth),
  ];
  const window = {
    kernel_shape: [info.outHeight, info.outWidth],
    strides: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
    dilations: [info.strideHeight, info.strideWidth],
  };
  const whole = emit('Conv', [perChannel, kernel], { shape, dtype: 'float32' }, window);
  const end = [inChannels, outChannels, filterHeight, filterWidth];
  return transpose(slice(whole, [0, 0, 0, 0], end), [2, 3, 0, 1]); // [in, out, h, w] to HWIO
}

/** What each position of the filter sees of a picture, [batch, outHeight, outWidth, inChannels] each. */
function tapsOf(x: Value, info: ConvInfo): Value[] {
  const { top, left, bottom, right } = info.padInfo;
  const padded = pad(x, [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]);
  const strides = [1, info.strideHeight, info.strideWidth, 1];
  const taps: Value[] = [];
  for (let row = 0; row < info.filterHeight; row++) {
    for (let column = 0; column < info.filterWidth; column++) {
      const begin = [0, row * info.dilationHeight, column * info.dilationWidth, 0];
      const end = [
        info.batchSize,
        begin[1]! + (info.outHeight - 1) * info.strideHeight + 1,
        begin[2]! + (info.outWidth - 1) * info.strideWidth + 1,
        info.inChannels,
      ];
      taps.push(slice(padded, begin, end, strides));
    }
  }
  return taps;
}

const FusedConv2D: Lowering<ConvAttributes & { activation?: string }> = (inputs, attributes) => {
  const { x, filter, bias } = inputs;
  const y = convolve(x!, filter!, convInfo(x!.shape, filter!.shape, attributes));
  return finish(y, bias, attributes.activation);
};

/** Kernels that convolve. */
export const convolutionKernels: LoweringTable = {
  Conv2D,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  FusedConv2D,
};
