import { dataTypes, emit, int64s, isValue, sizeOf } from './graph.js';
import type { Attribute, ElementType, Operand, Value } from './graph.js';

// TensorFlow.js computes pictures as NHWC with filters as HWIO; ONNX convolves NCHW with OIHW, and PyTorch keeps OIHW.
// This file alone reconciles them: transposes are composed as they are recorded, those that cancel vanish, and
// elementwise work and reductions are done before a pending transpose rather than after it, so that a chain of
// convolutions stays in NCHW from end to end.

/** NHWC to NCHW, and back. */
export const TO_NCHW = [0, 3, 1, 2] as const;
export const TO_NHWC = [0, 2, 3, 1] as const;
/** HWIO to OIHW. */
export const TO_OIHW = [3, 2, 0, 1] as const;

/** A value that is a pending transpose: what it is of, and how (`shape[i] = base.shape[perm[i]]`). */
export interface TransposedView {
  readonly base: Value;
  readonly perm: readonly number[];
}

/** What a value is a pending transpose of, if it is one. */
export function transposedView(value: Value): TransposedView | undefined {
  const { node } = value;
  if (value.buffer !== undefined || value.running) return undefined;
  if (node?.kind !== 'onnx' || node.op !== 'Transpose') return undefined;
  return { base: node.inputs[0] as Value, perm: node.attributes['perm'] as readonly number[] };
}

/** A value with its axes permuted; free where the permutation undoes a pending one or moves only axes of size one. */
export function transpose(value: Value, perm: readonly number[]): Value {
  if (perm.every((axis, i) => axis === i)) return value;
  const view = transposedView(value);
  if (view !== undefined)
    return transpose(
      view.base,
      perm.map((axis) => view.perm[axis]!),
    );
  const shape = perm.map((axis) => value.shape[axis]!);
  const moving = perm.filter((axis) => value.shape[axis] !== 1);
  if (isAscending(moving)) return reshape(value, shape);
  return emit('Transpose', [value], { shape, dtype: value.dtype }, { perm });
}

function isAscending(axes: readonly number[]): boolean {
  return axes.every((axis, i) => i === 0 || axes[i - 1]! < axis);
}

/** A value in another shape of the same size; free where its bytes are there. */
export function reshape(value: Value, shape: readonly number[]): Value {
  if (sameShape(value.shape, shape)) return value;
  if (value.buffer !== undefined) return value.alias(shape);
  const { node } = value;
  if (node?.kind === 'onnx' && node.op === 'Reshape' && !value.running)
    return reshape(node.inputs[0] as Value, shape);
  const attributes: Record<string, Attribute> = shape.includes(0) ? { allowzero: 1 } : {};
  return emit('Reshape', [value, int64s(shape)], { shape, dtype: value.dtype }, attributes);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((size, i) => size === b[i]));
}

/** A value in another element type. */
export function cast(value: Value, dtype: ElementType): Value {
  if (value.dtype === dtype) return value;
  return emit('Cast', [value], { shape: value.shape, dtype }, { to: dataTypes[dtype] });
}

/**
 * The shape of an elementwise operation on these shapes.
 *
 * @throws Error where they do not broadcast.
 */
export function broadcastShape(shapes: readonly (readonly number[])[]): readonly number[] {
  let result = shapes[0] ?? [];
  for (const shape of shapes) {
    if (sameShape(shape, result)) continue;
    const rank = Math.max(result.length, shape.length);
    const joint: number[] = [];
    for (let i = 0; i < rank; i++) {
      const [a, b] = [result[result.length - rank + i] ?? 1, shape[shape.length - rank + i] ?? 1];
      if (a !== b && a !== 1 && b !== 1) {
        const given = shapes.map((shape) => `[${shape}]`).join(' and ');
        throw new Error(`onnxruntime: shapes must broadcast, got ${given}`);
      }
      joint.push(a === 1 ? b : a);
    }
    result = joint;
  }
  return result;
}

/** Appends an elementwise operator: its operands broadcast, its output has `dtype` or the first operand's. */
export function elementwise(
  op: string,
  operands: readonly Operand[],
  dtype?: ElementType,
  attributes: Parameters<typeof emit>[3] = {},
  domain: Parameters<typeof emit>[4] = '',
): Value {
  const sunk = beneathTranspose(operands);
  const inputs = sunk?.operands ?? operands;
  const values = inputs.filter(isValue);
  const shape = broadcastShape(values.map((value) => value.shape));
  const result = emit(op, inputs, { shape, dtype: dtype ?? values[0]!.dtype }, attributes, domain);
  return sunk === undefined ? result : transpose(result, sunk.perm);
}

/**
 * The operands as they were before the transpose that they share, if they share one: the others may be vectors
 * along one axis, which are turned for nothing.
 */
function beneathTranspose(
  operands: readonly Operand[],
): { operands: readonly Operand[]; perm: readonly number[] } | undefined {
  const values = operands.filter(isValue);
  const perm = values.map(transposedView).find((view) => view !== undefined)?.perm;
  if (perm === undefined || values.some((value) => value.shape.length > perm.length))
    return undefined;
  const turned = operands.map((operand) =>
    isValue(operand) ? beforeTranspose(operand, perm) : operand,
  );
  return turned.includes(NOT_FREE) ? undefined : { operands: turned as Operand[], perm };
}

const NOT_FREE = Symbol('not free');

function beforeTranspose(value: Value, perm: readonly number[]): Operand | typeof NOT_FREE {
  if (sizeOf(value.shape) === 1 && value.shape.length === 0) return value;
  const view = transposedView(value);
  if (view !== undefined && sameShape(view.perm, perm)) return view.base;
  if (value.shape.filter((size) => size !== 1).length > 1) return NOT_FREE;
  const aligned = [...Array<number>(perm.length - value.shape.length).fill(1), ...value.shape];
  const shape = Array<number>(perm.length);
  perm.forEach((axis, i) => (shape[axis] = aligned[i]!));
  return reshape(value, shape);
}

/** Appends a reduction over `axes` (not negative), which ONNX takes as an input. */
export function reduce(
  op: string,
  value: Value,
  axes: readonly number[],
  keepDims: boolean,
  dtype: ElementType = value.dtype,
): Value {
  const view = transposedView(value);
  if (view === undefined) return reduceDirectly(op, value, axes, keepDims, dtype);
  const { base, perm } = view;
  const reduced = reduceDirectly(
    op,
    base,
    axes.map((axis) => perm[axis]!),
    true,
    dtype,
  );
  const turned = transpose(reduced, perm);
  return keepDims ? turned : reshape(turned, reducedShape(value.shape, axes, false));
}

function reduceDirectly(
  op: string,
  value: Value,
  axes: readonly number[],
  keepDims: boolean,
  dtype: ElementType,
): Value {
  if (axes.length === 0) return cast(value, dtype);
  const shape = reducedShape(value.shape, axes, keepDims);
  const sorted = [...axes].sort((a, b) => a - b);
  return emit(op, [value, int64s(sorted)], { shape, dtype }, { keepdims: keepDims ? 1 : 0 });
}

/** A shape after a reduction. */
export function reducedShape(
  shape: readonly number[],
  axes: readonly number[],
  keepDims: boolean,
): number[] {
  const sizes = shape.map((size, i) => (axes.includes(i) ? 1 : size));
  return keepDims ? sizes : sizes.filter((_, i) => !axes.includes(i));
}
