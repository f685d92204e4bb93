import { emit, sizeOf } from '../graph.js';
import type { OnnxNode, Operand, Value } from '../graph.js';
import { reshape } from '../layout.js';
import { multiply } from './elementwise.js';

/**
 * The convolution that is to make `maps` [batch, channels, height, width], with its result multiplied by `scale` and
 * `shift` added, both [channels]: the filter is multiplied instead, where that is less than the maps. ONNX Runtime then
 * takes bias, sum and activation into the convolution too. Undefined where the maps are no convolution's, or exist.
 * The convolution without is left unread, and so not computed.
 */
export function foldIntoConvolution(maps: Value, scale: Value, shift: Value): Value | undefined {
  const convolution = convolutionOf(maps);
  if (convolution === undefined || sizeOf(convolution.filter.shape) > sizeOf(maps.shape))
    return undefined;
  const { x, filter, attributes } = convolution;
  const scaled = multiply(filter, reshape(scale, [scale.shape[0]!, 1, 1, 1]));
  return emit('Conv', [x, scaled, shift], { shape: maps.shape, dtype: 'float32' }, attributes);
}

interface Convolution {
  readonly x: Value;
  /** [out, in, height, width] */
  readonly filter: Value;
  readonly attributes: OnnxNode['attributes'];
}

function convolutionOf(maps: Value): Convolution | undefined {
  const node = pendingNode(maps);
  if (node?.op === 'Conv' && node.inputs.length === 2) {
    const [x, filter] = node.inputs as [Value, Value];
    return { x, filter, attributes: node.attributes };
  }
  return node?.op === 'Reshape' ? pointwise(maps, pendingNode(node.inputs[0])) : undefined;
}

/** A filter [out, in] by columns [batch, in, height * width], as kernels/pointwise.ts writes a 1 x 1 convolution. */
function pointwise(maps: Value, product: OnnxNode | undefined): Convolution | undefined {
  if (product?.op !== 'MatMul') return undefined;
  const [matrix, columns] = product.inputs as [Value, Value];
  if (matrix.shape.length !== 2 || columns.shape.length !== 3) return undefined;
  const [batch, , height, width] = maps.shape as [number, number, number, number];
  const [out, channels] = matrix.shape as [number, number];
  return {
    x: reshape(columns, [batch, channels, height, width]),
    filter: reshape(matrix, [out, channels, 1, 1]),
    attributes: { kernel_shape: [1, 1] },
  };
}

function pendingNode(operand: Operand): OnnxNode | undefined {
  if (operand === undefined || !('node' in operand)) return undefined;
  const { node, buffer, running } = operand;
  return buffer === undefined && !running && node?.kind === 'onnx' ? node : undefined;
}
