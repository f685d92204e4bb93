import { backend_util } from '@tensorflow/tfjs-core';
import { emit, emitMany, sizeOf } from '../graph.js';
import type { Value } from '../graph.js';
import { reshape, transpose } from '../layout.js';
import { constantOf } from './creation.js';
import type { Lowering, LoweringTable } from './lowering.js';
import {
  attributesOf,
  convolveWithGradient,
  emitPool,
  spreadAverage,
  unreachedOf,
} from './window.js';
import type { WindowGeometry } from './window.js';

type Shape5D = [number, number, number, number, number];

/** NDHWC to NCDHW, and back. */
const TO_CHANNELS_FIRST = [0, 4, 1, 2, 3] as const;
const TO_CHANNELS_LAST = [0, 2, 3, 4, 1] as const;
/** A filter [depth, height, width, in, out] to ONNX's [out, in, depth, height, width]. */
const TO_OUT_FIRST = [4, 3, 0, 1, 2] as const;

interface VolumeAttributes {
  readonly strides: number | [number, number, number];
  readonly pad: 'valid' | 'same' | number;
  readonly dilations?: number | [number, number, number];
}

interface VolumePoolAttributes extends VolumeAttributes {
  readonly filterSize: number | [number, number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function convGeometry(
  x: readonly number[],
  filter: readonly number[],
  { strides, dilations, pad }: VolumeAttributes,
): WindowGeometry {
  const shapes = [x as Shape5D, filter as Shape5D] as const;
  return geometryOf(
    backend_util.computeConv3DInfo(...shapes, strides, dilations ?? 1, pad as 'same'),
  );
}

function poolGeometry(x: readonly number[], attributes: VolumePoolAttributes): WindowGeometry {
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  return geometryOf(
    backend_util.computePool3DInfo(
      x as Shape5D,
      filterSize,
      strides,
      1,
      pad as 'same',
      dimRoundingMode,
    ),
  );
}

function geometryOf(info: backend_util.Conv3DInfo): WindowGeometry {
  const { front, top, left, back, bottom, right } = info.padInfo;
  return {
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    input: [info.inDepth, info.inHeight, info.inWidth],
    output: [info.outDepth, info.outHeight, info.outWidth],
    size: [info.filterDepth, info.filterHeight, info.filterWidth],
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
    before: [front, top, left],
    after: [back, bottom, right],
  };
}

const Conv3D: Lowering<VolumeAttributes> = ({ x, filter }, attributes) => {
  const geometry = convGeometry(x!.shape, filter!.shape, attributes);
  const { batch, outChannels, output } = geometry;
  const inputs = [transpose(x!, TO_CHANNELS_FIRST), transpose(filter!, TO_OUT_FIRST)];
  const spec = { shape: [batch, outChannels, ...output], dtype: 'float32' } as const;
  return transpose(emit('Conv', inputs, spec, attributesOf(geometry)), TO_CHANNELS_LAST);
};

const Conv3DBackpropInputV2: Lowering<VolumeAttributes & { inputShape: number[] }> = (
  { dy, filter },
  attributes,
) => {
  const geometry = convGeometry(attributes.inputShape, filter!.shape, attributes);
  const { batch, inChannels, input } = geometry;
  const inputs = [transpose(dy!, TO_CHANNELS_FIRST), transpose(filter!, TO_OUT_FIRST)];
  const spec = { shape: [batch, inChannels, ...input], dtype: 'float32' } as const;
  const options = { ...attributesOf(geometry), output_padding: unreachedOf(geometry) };
  return transpose(emit('ConvTranspose', inputs, spec, options), TO_CHANNELS_LAST);
};

const Conv3DBackpropFilterV2: Lowering<VolumeAttributes & { filterShape: number[] }> = (
  { x, dy },
  attributes,
) => {
  const geometry = convGeometry(x!.shape, attributes.filterShape, attributes);
  const byChannel = [4, 0, 1, 2, 3]; // [channels, batch, depth, height, width]
  const inputs = [transpose(x!, byChannel), transpose(dy!, byChannel)] as const;
  const filter = convolveWithGradient(...inputs, geometry, 1); // [in, out, depth, height, width]
  return transpose(filter, [2, 3, 4, 0, 1]);
};

const pool =
  (op: 'AveragePool' | 'MaxPool'): Lowering<VolumePoolAttributes> =>
  ({ x }, attributes) => {
    const geometry = poolGeometry(x!.shape, attributes);
    const { batch, outChannels, output } = geometry;
    const shape = [batch, outChannels, ...output];
    const y = emitPool(op, transpose(x!, TO_CHANNELS_FIRST), shape, attributesOf(geometry));
    return transpose(y, TO_CHANNELS_LAST);
  };

/** As in two dimensions: the positions of the largest, where the gradient is added up. */
const MaxPool3DGrad: Lowering<VolumePoolAttributes> = ({ dy, input }, attributes) => {
  const geometry = poolGeometry(input!.shape, attributes);
  const x = transpose(input!, TO_CHANNELS_FIRST);
  const gradient = transpose(dy!, TO_CHANNELS_FIRST);
  const outputs = [
    { shape: gradient.shape, dtype: 'float32' },
    { shape: gradient.shape, dtype: 'int64' },
  ] as const;
  const [, positions] = emitMany('MaxPool', [x], outputs, attributesOf(geometry));
  const zeros = constantOf(0, [sizeOf(x.shape)], 'float32');
  const inputs = [zeros, flat(positions!), flat(gradient)];
  const sums = emit('ScatterElements', inputs, zeros, { axis: 0, reduction: 'add' });
  return transpose(reshape(sums, x.shape), TO_CHANNELS_LAST);
};

const flat = (value: Value): Value => reshape(value, [sizeOf(value.shape)]);

const AvgPool3DGrad: Lowering<VolumePoolAttributes> = ({ dy, input }, attributes) => {
  const geometry = poolGeometry(input!.shape, attributes);
  return transpose(spreadAverage(transpose(dy!, TO_CHANNELS_FIRST), geometry), TO_CHANNELS_LAST);
};

/** Kernels that convolve and pool in three dimensions. */
export const volumeKernels: LoweringTable = {
  AvgPool3D: pool('AveragePool'),
  AvgPool3DGrad,
  Conv3D,
  Conv3DBackpropFilterV2,
  Conv3DBackpropInputV2,
  MaxPool3D: pool('MaxPool'),
  MaxPool3DGrad,
};
