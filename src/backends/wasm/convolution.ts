import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel, Workspace } from '../kernels.js';
import { elements, zeros } from './heap.js';

type Shape4D = [number, number, number, number];
type ConvInfo = backend_util.Conv2DInfo;

interface Attributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dataFormat: 'NHWC' | 'NCHW';
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** The convolution that is differentiated. */
function convolutionOf(
  name: string,
  x: readonly number[],
  filter: readonly number[],
  { strides, pad, dataFormat, dimRoundingMode }: Attributes,
): ConvInfo {
  if (dataFormat !== 'NHWC') {
    throw new Error(`wasm: ${name} reads maps in NHWC, got ${dataFormat}; transpose them first`);
  }
  const [inShape, filterShape] = [[...x] as Shape4D, [...filter] as Shape4D];
  return backend_util.computeConv2DInfo(inShape, filterShape, strides, 1, pad, dimRoundingMode);
}

interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

const noPadding: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

/** The backend's own convolution, which is XNNPACK's. */
function convolve(
  x: TensorInfo,
  filter: TensorInfo,
  workspace: Workspace,
  { top, bottom, left, right }: Padding = noPadding,
  dilations: readonly number[] = [1, 1],
): TensorInfo {
  const pad = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  const attributes = { strides: [1, 1], pad, dilations, dataFormat: 'NHWC' };
  return workspace.run('Conv2D', { x, filter }, attributes);
}

/**
 * The gradient of the filter is a convolution of x, channels taken for pictures and pictures for channels, with dy
 * as the filter, whose taps lie as far apart as the strides.
 */
const Conv2DBackpropFilter: Kernel<Attributes & { filterShape: Shape4D }> = (
  inputs,
  attributes,
  workspace,
) => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  const info = convolutionOf('Conv2DBackpropFilter', x.shape, attributes.filterShape, attributes);
  if (isPointwise(info)) return pointwiseFilterGradient(x, dy, info, workspace);
  const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = info;
  const { top, left } = padInfo;
  const padding = {
    top,
    left,
    bottom: Math.max(0, (info.outHeight - 1) * strideHeight + filterHeight - info.inHeight - top),
    right: Math.max(0, (info.outWidth - 1) * strideWidth + filterWidth - info.inWidth - left),
  };
  const pictures = workspace.transpose(x, [3, 1, 2, 0]); // [in, height, width, batch]
  const taps = workspace.transpose(dy, [1, 2, 0, 3]); // [out height, out width, batch, out]
  const dilations = [strideHeight, strideWidth];
  const gradient = convolve(pictures, taps, workspace, padding, dilations);
  const turned = workspace.transpose(gradient, [1, 2, 0, 3]); // [height, width, in, out]
  // Rows and columns of x that no window reached gave taps that the filter does not have.
  const size = [filterHeight, filterWidth, info.inChannels, info.outChannels];
  if (turned.shape.every((length, axis) => length === size[axis])) return turned;
  return workspace.run('Slice', { x: turned }, { begin: [0, 0, 0, 0], size });
};

/** One tap on every element: a matrix product. */
const isPointwise = (info: ConvInfo): boolean =>
  isSingleTap(info) && info.strideHeight === 1 && info.strideWidth === 1;

const isSingleTap = ({ filterHeight, filterWidth, padInfo }: ConvInfo): boolean =>
  [filterHeight, filterWidth].every((size) => size === 1) &&
  [padInfo.top, padInfo.bottom, padInfo.left, padInfo.right].every((size) => size === 0);

function pointwiseFilterGradient(
  x: TensorInfo,
  dy: TensorInfo,
  { inChannels, outChannels }: ConvInfo,
  workspace: Workspace,
): TensorInfo {
  const a = workspace.reshape(x, [x.shape.slice(0, 3).reduce(product), inChannels]);
  const b = workspace.reshape(dy, [a.shape[0]!, outChannels]);
  const gradient = workspace.run('BatchMatMul', { a, b }, { transposeA: true, transposeB: false });
  return workspace.reshape(gradient, [1, 1, inChannels, outChannels]);
}

const product = (x: number, y: number): number => x * y;

/**
 * The gradient of the maps is a convolution of dy, zeros between its elements where there are strides, with the
 * filter turned by half a turn and its channels exchanged.
 */
const Conv2DBackpropInput: Kernel<Attributes & { inputShape: Shape4D }> = (
  inputs,
  attributes,
  workspace,
) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  const info = convolutionOf(
    'Conv2DBackpropInput',
    attributes.inputShape,
    filter.shape,
    attributes,
  );
  const { filterHeight, filterWidth, inHeight, inWidth, strideHeight, strideWidth } = info;
  const reversed = workspace.run('Reverse', { x: filter }, { dims: [0, 1] });
  const turned = workspace.transpose(reversed, [0, 1, 3, 2]); // [height, width, out, in]
  if (isSingleTap(info)) {
    // Zeros between the elements stay zeros: they are put in afterwards.
    const dx = convolve(dy, turned, workspace);
    return isPointwise(info) ? dx : spread(dx, [inHeight, inWidth], [0, 0], info, workspace);
  }
  const top = filterHeight - 1 - info.padInfo.top;
  const left = filterWidth - 1 - info.padInfo.left;
  const bottom = inHeight + filterHeight - 1 - info.outHeight - top;
  const right = inWidth + filterWidth - 1 - info.outWidth - left;
  const isDense = strideHeight === 1 && strideWidth === 1;
  if (isDense && Math.min(top, left, bottom, right) >= 0) {
    return convolve(dy, turned, workspace, { top, bottom, left, right });
  }
  const size = [inHeight + filterHeight - 1, inWidth + filterWidth - 1] as const;
  return convolve(spread(dy, size, [top, left], info, workspace), turned, workspace);
};

/** Puts each element of maps `stride` apart on larger ones of zeros, from `first` on; what falls outside is left out. */
function spread(
  x: TensorInfo,
  [height, width]: readonly [number, number],
  [top, left]: readonly [number, number],
  { strideHeight, strideWidth }: ConvInfo,
  workspace: Workspace,
): TensorInfo {
  const [batch, rows, columns, channels] = x.shape as Shape4D;
  const result = zeros(workspace, [batch, height, width, channels], x.dtype);
  const [from, to] = [elements(workspace, x), elements(workspace, result)];
  for (let picture = 0; picture < batch; picture++) {
    for (let row = 0; row < rows; row++) {
      const y = top + row * strideHeight;
      if (y < 0 || y >= height) continue;
      for (let column = 0; column < columns; column++) {
        const at = left + column * strideWidth;
        if (at < 0 || at >= width) continue;
        const source = ((picture * rows + row) * columns + column) * channels;
        const pixel = from.subarray(source, source + channels);
        to.set(pixel, ((picture * height + y) * width + at) * channels);
      }
    }
  }
  return result;
}

/** The gradients of convolutions. */
export const convolutionKernels = { Conv2DBackpropFilter, Conv2DBackpropInput };
