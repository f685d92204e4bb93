import { util } from '@tensorflow/tfjs-core';
import { emit, scalar } from '../graph.js';
import type { DType, Value } from '../graph.js';
import { cast, reduce, reducedShape } from '../layout.js';
import type { Lowering, LoweringTable } from './lowering.js';

interface ReductionAttributes {
  readonly axis?: number | number[];
  readonly reductionIndices?: number | number[];
  readonly keepDims?: boolean;
}

function axesOf(value: Value, { axis, reductionIndices }: ReductionAttributes): number[] {
  return util.parseAxisParam((axis ?? reductionIndices)!, value.shape as number[]);
}

const reduction =
  (op: string, prepare: (x: Value) => Value = (x) => x): Lowering<ReductionAttributes> =>
  ({ x }, attributes) =>
    reduce(op, prepare(x!), axesOf(x!, attributes), attributes.keepDims ?? false);

/** All and Any: a reduction of 0 and 1. */
const logical =
  (op: string): Lowering<ReductionAttributes> =>
  ({ x }, attributes) =>
    cast(
      reduce(op, cast(x!, 'int32'), axesOf(x!, attributes), attributes.keepDims ?? false),
      'bool',
    );

const position =
  (op: string): Lowering<{ axis: number | number[] }> =>
  ({ x }, { axis }) => {
    const at = util.parseAxisParam(axis, x!.shape as number[])[0] ?? 0;
    if (x!.shape.length === 0) return cast(reduce(op, x!, [], false), 'int32');
    const shape = reducedShape(x!.shape, [at], false);
    const found = emit(op, [x], { shape, dtype: 'int64' }, { axis: at, keepdims: 0 });
    return cast(found, 'int32');
  };

const summable = (x: Value): Value => (x.dtype === 'bool' ? cast(x, 'int32') : x);
const toFloat = (x: Value): Value => cast(x, 'float32');

const Cumsum: Lowering<{ axis: number; exclusive: boolean; reverse: boolean }> = (
  { x },
  { axis, exclusive, reverse },
) => {
  const attributes = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 };
  const at = axis < 0 ? axis + x!.shape.length : axis;
  return emit(
    'CumSum',
    [x, scalar(at, 'int32' as DType)],
    { shape: x!.shape, dtype: x!.dtype },
    attributes,
  );
};

/** Kernels that reduce along axes. */
export const reductionKernels: LoweringTable = {
  All: logical('ReduceMin'),
  Any: logical('ReduceMax'),
  ArgMax: position('ArgMax'),
  ArgMin: position('ArgMin'),
  Cumsum,
  Max: reduction('ReduceMax', summable),
  Mean: reduction('ReduceMean', toFloat),
  Min: reduction('ReduceMin', summable),
  Prod: reduction('ReduceProd', summable),
  Sum: reduction('ReduceSum', summable),
};
