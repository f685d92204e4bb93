import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel, Workspace } from '../kernels.js';

/** A tensor with a name for each of its axes. */
interface Named {
  readonly tensor: TensorInfo;
  readonly axes: readonly string[];
}

/**
 * A product and a sum over named axes, a pair of tensors at a time, each pair as a product of matrices: the axes of
 * both that are kept are its batch, those of both that are not are summed over.
 */
const Einsum: Kernel<{ equation: string }> = (inputs, { equation }, workspace) => {
  const tensors = Object.values(inputs);
  const { allDims, idDims } = backend_util.decodeEinsumEquation(equation, tensors.length);
  backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as never);
  const [terms, output] = equation.replaceAll(/\s/g, '').split('->') as [string, string];
  const operands = terms.split(',').map((term, i) => ({ tensor: tensors[i]!, axes: [...term] }));
  const [first, ...rest] = operands as unknown as [Named, ...Named[]];
  const joined = rest.reduce((left, right, i) => {
    const needed = new Set([...output, ...rest.slice(i + 1).flatMap(({ axes }) => axes)]);
    return contract(left, right, needed, workspace);
  }, first);
  const summed = sumOver(joined, new Set(output), workspace);
  return arrange(summed, [...output], workspace).tensor;
};

/** The product of two tensors, summed over the axes that nothing needs. */
function contract(left: Named, right: Named, needed: Set<string>, workspace: Workspace): Named {
  const shared = (axis: string): boolean => left.axes.includes(axis) && right.axes.includes(axis);
  const a = sumOver(left, new Set([...needed, ...right.axes]), workspace);
  const b = sumOver(right, new Set([...needed, ...left.axes]), workspace);
  const batch = a.axes.filter((axis) => shared(axis) && needed.has(axis));
  const inner = a.axes.filter((axis) => shared(axis) && !needed.has(axis));
  const rows = a.axes.filter((axis) => !shared(axis));
  const columns = b.axes.filter((axis) => !shared(axis));
  const matrices = {
    a: asMatrices(a, [batch, rows, inner], workspace),
    b: asMatrices(b, [batch, inner, columns], workspace),
  };
  const attributes = { transposeA: false, transposeB: false };
  const product = workspace.run('BatchMatMul', matrices, attributes);
  const axes = [...batch, ...rows, ...columns];
  const shape = axes.map((axis) => lengthOf(a.axes.includes(axis) ? a : b, axis));
  return { tensor: workspace.reshape(product, shape), axes };
}

/** [batch, rows, columns], each of these the product of some axes. */
function asMatrices(
  operand: Named,
  groups: readonly (readonly string[])[],
  workspace: Workspace,
): TensorInfo {
  const { tensor } = arrange(operand, groups.flat(), workspace);
  const shape = groups.map((group) =>
    group.reduce((size, axis) => size * lengthOf(operand, axis), 1),
  );
  return workspace.reshape(tensor, shape);
}

function lengthOf({ tensor, axes }: Named, axis: string): number {
  return tensor.shape[axes.indexOf(axis)]!;
}

function sumOver({ tensor, axes }: Named, needed: ReadonlySet<string>, workspace: Workspace) {
  const gone = axes.flatMap((name, axis) => (needed.has(name) ? [] : [axis]));
  if (gone.length === 0) return { tensor, axes };
  const summed = workspace.run('Sum', { x: tensor }, { axis: gone, keepDims: false });
  return { tensor: summed, axes: axes.filter((name) => needed.has(name)) };
}

/** Its axes in an order. A tensor that is an input already is given back as a new one. */
function arrange({ tensor, axes }: Named, order: readonly string[], workspace: Workspace): Named {
  if (order.length < 2) return { tensor: workspace.reshape(tensor, tensor.shape), axes: order };
  const perm = order.map((name) => axes.indexOf(name));
  return { tensor: workspace.transpose(tensor, perm), axes: order };
}

/** Products over named axes. */
export const einsumKernels = { Einsum };
