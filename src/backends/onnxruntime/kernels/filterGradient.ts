import type { backend_util } from '@tensorflow/tfjs-core';
import { emit, isEmpty } from '../graph.js';
import type { Value } from '../graph.js';
import { reduce, reshape, transpose } from '../layout.js';
import { convInfo, infoOfResult, tapsOf, toNchw, toNhwc, unreached } from './convolution.js';
import type { ConvAttributes } from './convolution.js';
import { constantOf } from './creation.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { matMul } from './matrix.js';
import { isPointwise, pointsFilterGradient, toRows } from './pointwise.js';
import { concat, pad, slice } from './shape.js';

type ConvInfo = backend_util.Conv2DInfo;

/** Below this many input channels the gradient of the filter is a convolution, above that products. */
const FEW_CHANNELS = 16;

/**
 * The gradient of the filter is a sum over all pixels of all pictures, for each tap and each pair of channels. ONNX has no
 * operator for it; which of those that it has are fastest is a matter of the shapes.
 */
const Conv2DBackpropFilter: Lowering<ConvAttributes & { filterShape: number[] }> = (
  { x, dy },
  attributes,
) => {
  const info = infoOfResult(dy!.shape, attributes, (given) =>
    convInfo(x!.shape, attributes.filterShape, given),
  );
  if (isEmpty(dy!)) return constantOf(0, attributes.filterShape, 'float32');
  if (isPointwise(info)) return pointsFilterGradient(x!, dy!, info);
  if (info.inChannels < FEW_CHANNELS) return convolveForFilter(x!, dy!, info);
  return isSmallerPerPicture(info)
    ? productPerPicture(x!, dy!, info)
    : productPerTap(x!, dy!, info);
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

/**
 * Whether the products of the taps of each picture are little to write beside maps that are as large as the padded
 * picture. The factor is measured: from 128 channels at 14 x 14 on (batch 16) a product for each tap is faster.
 */
function isSmallerPerPicture(info: ConvInfo): boolean {
  if (info.strideHeight !== 1 || info.strideWidth !== 1) return false;
  const { filterHeight, filterWidth, inChannels, outChannels, outWidth } = info;
  const products = filterHeight * filterWidth * inChannels * outChannels;
  return products < 0.75 * (inChannels + outChannels) * paddedHeight(info) * outWidth;
}

const paddedHeight = ({ inHeight, padInfo }: ConvInfo): number =>
  inHeight + padInfo.top + padInfo.bottom;

/**
 * One product for each picture, of all taps: the picture stands as often side by side as the filter has columns, each time
 * moved by one more, and the gradient as often as it has rows. Few channels make long and narrow products, which take
 * twice the time of these.
 */
function productPerPicture(x: Value, dy: Value, info: ConvInfo): Value {
  const { batchSize, filterHeight, filterWidth, inChannels, outChannels, outWidth } = info;
  const { top, left, bottom, right } = info.padInfo;
  const none = [0, 0] as const;
  const height = paddedHeight(info);
  const picture = pad(toNchw(x, info), [none, none, [top, bottom], [left, right]]);
  const moved = Array.from({ length: filterWidth }, (_, column) => {
    const begin = column * info.dilationWidth;
    const end = [batchSize, inChannels, height, begin + outWidth];
    return slice(picture, [0, 0, 0, begin], end);
  });
  const gradient = toNchw(dy, info);
  const lowered = Array.from({ length: filterHeight }, (_, row) => {
    const above = row * info.dilationHeight;
    return pad(gradient, [none, none, [above, info.effectiveFilterHeight - 1 - above], none]);
  });
  const pixels = height * outWidth;
  const products = matMul(
    reshape(concat(lowered, 1), [batchSize, filterHeight * outChannels, pixels]),
    reshape(concat(moved, 1), [batchSize, filterWidth * inChannels, pixels]),
    false,
    true,
  );
  const sum = reduce('ReduceSum', products, [0], false);
  const shape = [filterHeight, outChannels, filterWidth, inChannels];
  return transpose(reshape(sum, shape), [0, 2, 3, 1]);
}

/** For each tap, the product of the gradient with the part of the pictures that the tap saw, all pictures at once. */
function productPerTap(x: Value, dy: Value, info: ConvInfo): Value {
  const { filterHeight, filterWidth, inChannels, outChannels } = info;
  const gradient = toRows(toNhwc(dy, info), outChannels);
  const taps = tapsOf(toNhwc(x, info), info).map((tap) => toRows(tap, inChannels));
  const products = taps.map((tap) =>
    reshape(matMul(gradient, tap, true, false), [1, outChannels, inChannels]),
  );
  const hwoi = reshape(concat(products, 0), [filterHeight, filterWidth, outChannels, inChannels]);
  return transpose(hwoi, [0, 1, 3, 2]);
}

/** Kernels that make gradients of filters. */
export const filterGradientKernels: LoweringTable = { Conv2DBackpropFilter };
