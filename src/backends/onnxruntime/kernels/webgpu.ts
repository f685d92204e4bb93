import { emit, scalar, sizeOf } from '../graph.js';
import type { Constant, Value } from '../graph.js';
import { cast, elementwise, reshape, transpose, TO_NCHW, TO_NHWC } from '../layout.js';
import { infoOfResult, tapsOf, unreached, windowAttributes } from './convolution.js';
import { multiply, subtract } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { poolInfo } from './pooling.js';
import type { PoolAttributes } from './pooling.js';
import { concat } from './shape.js';

/** Below whatever a picture holds, and a number that shaders may compute with, as infinity is not. */
const LOWEST = -3.4028234663852886e38;

/**
 * The positions of MaxPool's largest elements are not to be had on ONNX Runtime's WebGPU provider. What each place of
 * the window sees is compared with the largest instead: the first that equals it has the gradient.
 */
const MaxPoolGrad: Lowering<PoolAttributes> = ({ dy, input, output }, attributes) => {
  const info = infoOfResult(dy!.shape, attributes, (given) => poolInfo(input!.shape, given));
  const { batchSize, inChannels, inHeight, inWidth, outHeight, outWidth } = info;
  const planes = batchSize * inChannels;
  let open: Value | undefined; // 1 where no place before had the largest
  const shares = tapsOf(input!, info, LOWEST).map((tap) => {
    const equal = cast(elementwise('Equal', [tap, output], 'bool'), 'float32');
    const first = open === undefined ? equal : multiply(equal, open);
    open = subtract(open ?? scalar(1), first);
    return reshape(transpose(multiply(first, dy), TO_NCHW), [planes, 1, outHeight, outWidth]);
  });
  const window = { ...windowAttributes(info), output_padding: unreached(info) };
  const shape = [planes, 1, inHeight, inWidth];
  const inputs = [concat(shares, 1), placesOf(info.filterHeight, info.filterWidth)];
  const dx = emit('ConvTranspose', inputs, { shape, dtype: 'float32' }, window);
  return transpose(reshape(dx, [batchSize, inChannels, inHeight, inWidth]), TO_NHWC);
};

/** A filter that puts its channel k at the k-th place of the window: [places, 1, height, width]. */
function placesOf(height: number, width: number): Constant {
  const places = height * width;
  const shape = [places, 1, height, width];
  const data = Array.from({ length: sizeOf(shape) }, (_, i) => Number(i % (places + 1) === 0));
  return { constant: true, dtype: 'float32', shape, data };
}

/** Kernels that ONNX Runtime's WebGPU provider has in the place of others. */
export const webGpuLowerings: LoweringTable = { MaxPoolGrad };
