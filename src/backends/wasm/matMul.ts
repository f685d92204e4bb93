import { util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel, Workspace } from '../kernels.js';

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * The backend multiplies two matrices with XNNPACK only where neither is transposed, and else in a plain loop: so
 * they are transposed first, which costs little beside the product.
 */
export const transposedFirst =
  (multiply: Kernel): Kernel<MatMulAttributes> =>
  (inputs, attributes, workspace) => {
    const { transposeA, transposeB } = attributes;
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    if (!isMatrix(a) || !isMatrix(b)) return multiply(inputs, attributes, workspace);
    const turned = {
      ...inputs,
      a: transposeA ? turn(a, workspace) : a,
      b: transposeB ? turn(b, workspace) : b,
    };
    return multiply(turned, { ...attributes, transposeA: false, transposeB: false }, workspace);
  };

/** Two axes, and before them none but those of length one. */
const isMatrix = ({ shape }: TensorInfo): boolean => util.sizeFromShape(shape.slice(0, -2)) === 1;

function turn(x: TensorInfo, workspace: Workspace): TensorInfo {
  const rank = x.shape.length;
  const leading = x.shape.slice(0, -2).map((_, axis) => axis);
  return workspace.transpose(x, [...leading, rank - 1, rank - 2]);
}
