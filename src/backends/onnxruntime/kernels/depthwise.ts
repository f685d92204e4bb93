import { backend_util } from '@tensorflow/tfjs-core';
import { emit } from '../graph.js';
import type { Value } from '../graph.js';
import { reshape, transpose, TO_NCHW, TO_NHWC } from '../layout.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { finishFused } from './matrix.js';
import type { FusedAttributes } from './matrix.js';
import { attributesOf, convolveWithGradient, unreachedOf } from './window.js';
import type { WindowGeometry } from './window.js';

interface DepthwiseAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | [number, number][];
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function geometryOf(
  x: readonly number[],
  filter: readonly number[],
  { strides, pad, dilations, dimRoundingMode }: DepthwiseAttributes,
): WindowGeometry {
  const info = backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations ?? 1,
    pad as Parameters<typeof backend_util.computeConv2DInfo>[4],
    dimRoundingMode,
    true,
  );
  const { top, left, bottom, right } = info.padInfo;
  return {
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    input: [info.inHeight, info.inWidth],
    output: [info.outHeight, info.outWidth],
    size: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    before: [top, left],
    after: [bottom, right],
  };
}

/** A filter [height, width, in, multiplier] as ONNX has it, [in * multiplier, 1, height, width]. */
function grouped(filter: Value, { outChannels, size }: WindowGeometry): Value {
  return reshape(transpose(filter, [2, 3, 0, 1]), [outChannels, 1, ...size]);
}

/** Each channel is convolved by itself, with as many filters as the multiplier says. */
const DepthwiseConv2dNative: Lowering<DepthwiseAttributes> = ({ x, filter }, attributes) => {
  const geometry = geometryOf(x!.shape, filter!.shape, attributes);
  const { batch, inChannels, outChannels, output } = geometry;
  const inputs = [transpose(x!, TO_NCHW), grouped(filter!, geometry)];
  const shape = [batch, outChannels, ...output];
  const options = { ...attributesOf(geometry), group: inChannels };
  return transpose(emit('Conv', inputs, { shape, dtype: 'float32' }, options), TO_NHWC);
};

const FusedDepthwiseConv2D: Lowering<DepthwiseAttributes & FusedAttributes> = (
  inputs,
  attributes,
) => finishFused(DepthwiseConv2dNative(inputs, attributes) as Value, inputs, attributes);

const DepthwiseConv2dNativeBackpropInput: Lowering<
  DepthwiseAttributes & { inputShape: number[] }
> = ({ dy, filter }, attributes) => {
  const geometry = geometryOf(attributes.inputShape, filter!.shape, attributes);
  const { batch, inChannels, input } = geometry;
  const inputs = [transpose(dy!, TO_NCHW), grouped(filter!, geometry)];
  const shape = [batch, inChannels, ...input];
  const options = {
    ...attributesOf(geometry),
    group: inChannels,
    output_padding: unreachedOf(geometry),
  };
  return transpose(emit('ConvTranspose', inputs, { shape, dtype: 'float32' }, options), TO_NHWC);
};

const DepthwiseConv2dNativeBackpropFilter: Lowering<
  DepthwiseAttributes & { filterShape: number[] }
> = ({ x, dy }, attributes) => {
  const geometry = geometryOf(x!.shape, attributes.filterShape, attributes);
  const { batch, inChannels, outChannels, input, size } = geometry;
  const perChannel = reshape(transpose(x!, [3, 0, 1, 2]), [1, inChannels * batch, ...input]);
  const gradient = transpose(dy!, [3, 0, 1, 2]); // [in * multiplier, batch, height, width]
  const filter = convolveWithGradient(perChannel, gradient, geometry, inChannels);
  const split = reshape(filter, [inChannels, outChannels / inChannels, ...size]);
  return transpose(split, [2, 3, 0, 1]);
};

/** Kernels that convolve each channel by itself. */
export const depthwiseKernels: LoweringTable = {
  DepthwiseConv2dNative,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  FusedDepthwiseConv2D,
};
