import { backend_util } from '@tensorflow/tfjs-core';
import { emit, sizeOf } from '../graph.js';
import type { Attribute, Value } from '../graph.js';
import { sameShape, transpose, TO_NCHW, TO_NHWC, TO_OIHW } from '../layout.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { finishFused } from './matrix.js';
import type { FusedAttributes } from './matrix.js';
import { convolvePoints, isPointwise, pointsInputGradient } from './pointwise.js';
import { pad, slice } from './shape.js';

/** What TensorFlow.js says of a convolution. */
export interface ConvAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | [number, number][];
  readonly dataFormat: 'NHWC' | 'NCHW';
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type ConvInfo = backend_util.Conv2DInfo;

/** The geometry of a convolution of these shapes. */
export function convInfo(
  x: readonly number[],
  filter: readonly number[],
  attributes: ConvAttributes,
): ConvInfo {
  const info = backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    attributes.strides,
    attributes.dilations ?? 1,
    attributes.pad as Parameters<typeof backend_util.computeConv2DInfo>[4],
    attributes.dimRoundingMode,
    false,
    attributes.dataFormat === 'NCHW' ? 'channelsFirst' : 'channelsLast',
  );
  return withWholeWindows(info);
}

/**
 * The geometry of a forward pass that made this shape: TensorFlow.js does not tell a gradient how the number of windows
 * was rounded.
 */
export function infoOfResult<A extends Pick<ConvAttributes, 'pad' | 'dimRoundingMode'>>(
  result: readonly number[],
  attributes: A,
  infoOf: (attributes: A) => ConvInfo,
): ConvInfo {
  const info = infoOf(attributes);
  if (typeof attributes.pad === 'string' || sameShape(info.outShape, result)) return info;
  const roundedUp = infoOf({ ...attributes, dimRoundingMode: 'ceil' });
  return sameShape(roundedUp.outShape, result) ? roundedUp : info;
}

/** Where the number of windows was rounded up, the last one stands over the end: that is padding as well. */
export function withWholeWindows(info: ConvInfo): ConvInfo {
  const [rows, columns] = unreached(info);
  if (rows >= 0 && columns >= 0) return info;
  const { bottom, right } = info.padInfo;
  const padInfo = {
    ...info.padInfo,
    bottom: bottom + Math.max(0, -rows),
    right: right + Math.max(0, -columns),
  };
  return { ...info, padInfo };
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

export function toNhwc(value: Value, info: ConvInfo): Value {
  return info.dataFormat === 'channelsLast' ? value : transpose(value, TO_NHWC);
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

const Conv2DBackpropInput: Lowering<ConvAttributes & { inputShape: number[] }> = (
  { dy, filter },
  attributes,
) => {
  const info = infoOfResult(dy!.shape, attributes, (given) =>
    convInfo(attributes.inputShape, filter!.shape, given),
  );
  // tf.conv2dTranspose may be given more than the forward pass would make; what is beyond counts for nothing.
  const gradient = slice(dy!, [0, 0, 0, 0], info.outShape);
  if (isPointwise(info)) return pointsInputGradient(gradient, filter!, info);
  const pads = padsOfTurned(info);
  if (pads !== undefined && 2 * sizeOf(filter!.shape) < sizeOf(gradient.shape))
    return convolveTurned(gradient, filter!, info, pads);
  const shape = [info.batchSize, info.inChannels, info.inHeight, info.inWidth];
  const inputs = [toNchw(gradient, info), transpose(filter!, TO_OIHW)];
  const window = { ...windowAttributes(info), output_padding: unreached(info) };
  return fromNchw(emit('ConvTranspose', inputs, { shape, dtype: 'float32' }, window), info);
};

/**
 * The padding with which a convolution by the filter turned by half a turn is the gradient; undefined where it is not,
 * as with strides.
 */
function padsOfTurned(info: ConvInfo): number[] | undefined {
  if (info.strideHeight !== 1 || info.strideWidth !== 1) return undefined;
  const [height, width] = [info.effectiveFilterHeight - 1, info.effectiveFilterWidth - 1];
  const [top, left] = [height - info.padInfo.top, width - info.padInfo.left];
  const bottom = info.inHeight - info.outHeight + height - top;
  const right = info.inWidth - info.outWidth + width - left;
  const pads = [top, left, bottom, right];
  return pads.every((amount) => amount >= 0) ? pads : undefined;
}

/** ONNX Runtime's Conv is faster than its ConvTranspose, where to turn the filter is little beside the maps. */
function convolveTurned(dy: Value, filter: Value, info: ConvInfo, pads: number[]): Value {
  const { filterHeight, filterWidth, inChannels, outChannels } = info;
  const turned = slice(
    transpose(filter, [2, 3, 0, 1]), // [in, out, height, width]
    [0, 0, filterHeight - 1, filterWidth - 1],
    [inChannels, outChannels, -1, -1],
    [1, 1, -1, -1],
  );
  const shape = [info.batchSize, inChannels, info.inHeight, info.inWidth];
  const window = {
    kernel_shape: [filterHeight, filterWidth],
    pads,
    dilations: [info.dilationHeight, info.dilationWidth],
  };
  const dx = emit('Conv', [toNchw(dy, info), turned], { shape, dtype: 'float32' }, window);
  return fromNchw(dx, info);
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

/**
 * What each position of the filter sees of a picture, [batch, outHeight, outWidth, inChannels] each.
 *
 * @param outside what lies around the picture.
 */
export function tapsOf(x: Value, info: ConvInfo, outside = 0): Value[] {
  const { top, left, bottom, right } = info.padInfo;
  const sides = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ] as const;
  const padded = pad(x, sides, outside);
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

const FusedConv2D: Lowering<ConvAttributes & FusedAttributes> = (inputs, attributes) => {
  const { x, filter } = inputs;
  const y = convolve(x!, filter!, convInfo(x!.shape, filter!.shape, attributes));
  return finishFused(y, inputs, attributes);
};

/** Kernels that convolve. */
export const convolutionKernels: LoweringTable = {
  Conv2D,
  Conv2DBackpropInput,
  FusedConv2D,
};
