import { Value } from '../graph.js';
import { cast, reshape } from '../layout.js';
import { add, multiply, subtract } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { matMul } from './matrix.js';
import { pick } from './shape.js';

interface ResizeAttributes {
  readonly size: readonly [number, number];
  readonly alignCorners: boolean;
  readonly halfPixelCenters?: boolean;
}

/** What an element of a resized axis is made of: `1 - weight` of the element at `low`, and `weight` of that at `high`. */
interface Sample {
  readonly low: number;
  readonly high: number;
  readonly weight: number;
}

/** How an axis of `from` elements becomes one of `to`. */
type Sampling = (from: number, to: number, attributes: Omit<ResizeAttributes, 'size'>) => Sample[];

function scaleOf(from: number, to: number, alignCorners: boolean): number {
  return alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
}

const linear: Sampling = (from, to, { alignCorners, halfPixelCenters = false }) => {
  const scale = scaleOf(from, to, alignCorners);
  return Array.from({ length: to }, (_, i) => {
    const place = halfPixelCenters ? scale * (i + 0.5) - 0.5 : scale * i;
    const low = Math.max(0, Math.floor(place));
    const high = Math.min(from - 1, Math.max(0, Math.ceil(place)));
    return { low, high, weight: low === high ? 0 : place - low };
  });
};

const nearest: Sampling = (from, to, { alignCorners, halfPixelCenters = false }) => {
  const scale = scaleOf(from, to, alignCorners);
  return Array.from({ length: to }, (_, i) => {
    const place = scale * (halfPixelCenters ? i + 0.5 : i);
    const low = Math.min(from - 1, alignCorners ? Math.round(place) : Math.floor(place));
    return { low, high: low, weight: 0 };
  });
};

/** Resamples one axis; where every sample is one element, that is picking elements. */
function resample(x: Value, samples: readonly Sample[], axis: number): Value {
  const low = pick(
    x,
    samples.map((sample) => sample.low),
    axis,
  );
  if (samples.every(({ weight }) => weight === 0)) return low;
  const high = pick(
    x,
    samples.map((sample) => sample.high),
    axis,
  );
  const shape = x.shape.map((_, i) => (i === axis ? samples.length : 1));
  const weights = Float32Array.from(samples, ({ weight }) => weight);
  return add(low, multiply(subtract(high, low), Value.of(weights, shape, 'float32')));
}

const ResizeBilinear: Lowering<ResizeAttributes> = ({ images }, attributes) =>
  resize(cast(images!, 'float32'), linear, attributes);

const ResizeNearestNeighbor: Lowering<ResizeAttributes> = ({ images }, attributes) =>
  resize(images!, nearest, attributes);

function resize(x: Value, sampling: Sampling, { size, ...attributes }: ResizeAttributes): Value {
  const [, height, width] = x.shape as [number, number, number];
  const rows = resample(x, sampling(height, size[0], attributes), 1);
  return resample(rows, sampling(width, size[1], attributes), 2);
}

/** The transposed map: each axis is multiplied by the transposed matrix of its samples. */
const resizeGrad =
  (sampling: Sampling): Lowering<ResizeAttributes> =>
  ({ dy, images }, attributes) => {
    const [batch, height, width, channels] = images!.shape as [number, number, number, number];
    const [, outHeight, outWidth] = dy!.shape as [number, number, number];
    const overRows = spreading(sampling(height, outHeight, attributes), height);
    const overColumns = spreading(sampling(width, outWidth, attributes), width);
    const rows = matMul(overRows, reshape(dy!, [batch, outHeight, outWidth * channels]));
    const columns = matMul(overColumns, reshape(rows, [batch * height, outWidth, channels]));
    return reshape(columns, images!.shape);
  };

/** The matrix [from, to] of how much of each resized element belongs to each element. */
function spreading(samples: readonly Sample[], from: number): Value {
  const to = samples.length;
  const data = new Float32Array(from * to);
  samples.forEach(({ low, high, weight }, i) => {
    data[low * to + i]! += 1 - weight;
    data[high * to + i]! += weight;
  });
  return Value.of(data, [from, to], 'float32');
}

/** Kernels that resize pictures NHWC. */
export const resizeKernels: LoweringTable = {
  ResizeBilinear,
  ResizeBilinearGrad: resizeGrad(linear),
  ResizeNearestNeighbor,
  ResizeNearestNeighborGrad: resizeGrad(nearest),
};
