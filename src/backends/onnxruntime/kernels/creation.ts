import { util } from '@tensorflow/tfjs-core';
import { emit, int64s, scalar, sizeOf, Value } from '../graph.js';
import type { DType, Operand, TypedArray } from '../graph.js';
import { sameShape } from '../layout.js';
import { dropoutMask } from '../simd/dropoutMask.js';
import type { Lowering, LoweringTable } from './lowering.js';

/** Below this many elements a tensor of one number is written out; above, it is expanded where it is used. */
const SMALL = 64;

/** A value repeated along its axes of size one, and along new leading axes. */
export function expand(value: Value, shape: readonly number[]): Value {
  if (sameShape(value.shape, shape)) return value;
  return emit('Expand', [value, int64s(shape)], { shape, dtype: value.dtype });
}

/** A tensor of one number that is part of the structure. */
export function constantOf(number: number, shape: readonly number[], dtype: DType): Value {
  if (sizeOf(shape) <= SMALL) return filled(number, shape, dtype);
  const operand: Operand = scalar(number, dtype);
  return emit('Expand', [operand, int64s(shape)], { shape, dtype });
}

function filled(number: number, shape: readonly number[], dtype: DType): Value {
  const data = util.makeZerosTypedArray(sizeOf(shape), dtype) as TypedArray;
  return Value.of(data.fill(number), shape, dtype);
}

/** The number may change from step to step (a learning rate), so it is an input and not a part of the structure. */
const Fill: Lowering<{ shape: number[]; value: number; dtype?: DType }> = (
  _,
  { shape, value, dtype },
) => {
  const type = dtype ?? 'float32';
  return sizeOf(shape) <= SMALL
    ? filled(value, shape, type)
    : expand(filled(value, [], type), shape);
};

const Range: Lowering<{ start: number; stop: number; step: number; dtype: DType }> = (
  _,
  { start, stop, step, dtype },
) => {
  const stride = stop < start && step === 1 ? -1 : step; // the step that is assumed counts down as well
  const count = Math.max(0, Math.ceil((stop - start) / stride));
  const data = util.makeZerosTypedArray(count, dtype) as TypedArray;
  return Value.of(
    data.map((_, i) => start + i * stride),
    [count],
    dtype,
  );
};

const LinSpace: Lowering<{ start: number; stop: number; num: number }> = (
  _,
  { start, stop, num },
) => {
  const step = num > 1 ? (stop - start) / (num - 1) : 0;
  return Value.of(
    Float32Array.from({ length: num }, (_, i) => start + i * step),
    [num],
    'float32',
  );
};

/** The mask of src/nn/dropout.ts. */
const DropoutMask: Lowering<{ shape: number[]; key: number; threshold: number }> = (
  _,
  { shape, key, threshold },
) => Value.of(dropoutMask(key, threshold, sizeOf(shape)), shape, 'bool');

/** Kernels that make tensors of nothing. */
export const creationKernels: LoweringTable = {
  DropoutMask,
  Fill,
  LinSpace,
  OnesLike: ({ x }) => constantOf(1, x!.shape, x!.dtype as DType),
  Range,
  ZerosLike: ({ x }) => constantOf(0, x!.shape, x!.dtype as DType),
};
