import { util } from '@tensorflow/tfjs-core';
import { emit, isEmpty, scalar, sizeOf } from '../graph.js';
import type { Value } from '../graph.js';
import { cast, elementwise, reduce, reducedShape } from '../layout.js';
import { constantOf } from './creation.js';
import { multiply, numeric, where } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { pad, slice } from './shape.js';

interface ReductionAttributes {
  readonly axis?: number | number[];
  readonly reductionIndices?: number | number[];
  readonly keepDims?: boolean;
}

function axesOf(value: Value, { axis, reductionIndices }: ReductionAttributes): number[] {
  return util.parseAxisParam((axis ?? reductionIndices)!, value.shape as number[]);
}

const reduction =
  (op: string, prepare: (x: Value) => Value = numeric): Lowering<ReductionAttributes> =>
  ({ x }, attributes) =>
    reduce(op, prepare(x!), axesOf(x!, attributes), attributes.keepDims ?? false);

/** All and Any: a reduction of 0 and 1, and for nothing what ONNX has not. */
const logical =
  (op: string, ofNothing: 0 | 1): Lowering<ReductionAttributes> =>
  ({ x }, attributes) => {
    const axes = axesOf(x!, attributes);
    const keep = attributes.keepDims ?? false;
    if (isEmpty(x!)) return constantOf(ofNothing, reducedShape(x!.shape, axes, keep), 'bool');
    return cast(reduce(op, cast(x!, 'int32'), axes, keep), 'bool');
  };

const toFloat = (x: Value): Value => cast(x, 'float32');

/** Max and Min: one NaN makes the result NaN, which ONNX Runtime leaves out. */
const extreme =
  (op: string): Lowering<ReductionAttributes> =>
  ({ x }, attributes) => {
    const axes = axesOf(x!, attributes);
    const keep = attributes.keepDims ?? false;
    if (x!.dtype !== 'float32') return cast(reduce(op, numeric(x!), axes, keep), x!.dtype);
    const isNaN = elementwise('IsNaN', [x], 'bool');
    const any = cast(reduce('ReduceMax', cast(isNaN, 'int32'), axes, keep), 'bool');
    return where(any, scalar(NaN), reduce(op, x!, axes, keep), 'float32');
  };

/** ArgMax and ArgMin: NaN, in the place of which `worst` stands, is never found. */
const position =
  (op: string, worst: number): Lowering<{ axis: number | number[] }> =>
  ({ x }, { axis }) => {
    const at = util.parseAxisParam(axis, x!.shape as number[])[0] ?? 0;
    const shape = reducedShape(x!.shape, [at], false);
    if (x!.shape.length === 0 || sizeOf(x!.shape) === 0) return constantOf(0, shape, 'int32');
    const numbers =
      x!.dtype === 'float32'
        ? where(elementwise('IsNaN', [x], 'bool'), scalar(worst), x, 'float32')
        : numeric(x!);
    const found = emit(op, [numbers], { shape, dtype: 'int64' }, { axis: at, keepdims: 0 });
    return cast(found, 'int32');
  };

const Cumsum: Lowering<{ axis: number; exclusive: boolean; reverse: boolean }> = (
  { x },
  { axis, exclusive, reverse },
) => {
  const attributes = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 };
  const at = axis < 0 ? axis + x!.shape.length : axis;
  const numbers = numeric(x!);
  if (numbers.shape.length === 0) return numbers;
  return emit('CumSum', [numbers, scalar(at, 'int32')], numbers, attributes);
};

/**
 * The products of all elements up to each, in log2(n) steps: each doubles how far back an element sees. ONNX has no
 * operator for it.
 */
const Cumprod: Lowering<{ axis: number; exclusive: boolean; reverse: boolean }> = (
  { x },
  { axis, exclusive, reverse },
) => {
  let product = numeric(x!);
  const { shape } = product;
  if (shape.length === 0 || isEmpty(product)) return product;
  const at = axis < 0 ? axis + shape.length : axis;
  const length = shape[at]!;
  const side = reverse ? -1 : 1;
  if (exclusive) product = shifted(product, at, side);
  for (let step = 1; step < length; step *= 2) {
    product = multiply(product, shifted(product, at, step * side));
  }
  return product;
};

/** A value moved along an axis, ones coming in. */
function shifted(value: Value, axis: number, by: number): Value {
  const begin = value.shape.map((_, i) => (i === axis ? Math.max(0, -by) : 0));
  const end = value.shape.map((size, i) => (i === axis ? size - Math.max(0, by) : size));
  const paddings = value.shape.map((_, i): [number, number] =>
    i === axis ? [Math.max(0, by), Math.max(0, -by)] : [0, 0],
  );
  return pad(slice(value, begin, end), paddings, 1);
}

/** Kernels that reduce along axes. */
export const reductionKernels: LoweringTable = {
  All: logical('ReduceMin', 1),
  Any: logical('ReduceMax', 0),
  ArgMax: position('ArgMax', -Infinity),
  ArgMin: position('ArgMin', Infinity),
  Cumprod,
  Cumsum,
  Max: extreme('ReduceMax'),
  Mean: reduction('ReduceMean', toFloat),
  Min: extreme('ReduceMin'),
  Prod: reduction('ReduceProd'),
  Sum: reduction('ReduceSum'),
};
