import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import { emit, int64s, scalar, sizeOf, Value } from '../graph.js';
import type { Constant, DType } from '../graph.js';
import { cast, reshape, transpose } from '../layout.js';
import { constantOf } from './creation.js';
import type { Lowering, LoweringTable } from './lowering.js';

/** A place before the first element, whatever the length. */
const BEFORE_ALL = -(2 ** 31);

/** The elements from `begin` to before `end`, every `strides`-th, along all axes. */
export function slice(
  value: Value,
  begin: readonly number[],
  end: readonly number[],
  strides: readonly number[] = begin.map(() => 1),
): Value {
  const shape = begin.map((from, i) => Math.max(0, Math.ceil((end[i]! - from) / strides[i]!)));
  if (shape.every((size, i) => size === value.shape[i] && strides[i] === 1)) return value;
  const axes = begin.map((_, i) => i);
  // Backwards, -1 is the place before the first element; ONNX counts negative places from the end.
  const stop = end.map((to, i) => (strides[i]! < 0 && to < 0 ? BEFORE_ALL : to));
  const operands = [begin, stop, axes, strides].map(int64s);
  return emit('Slice', [value, ...operands], { shape, dtype: value.dtype });
}

/** Joins values along an axis. */
export function concat(values: readonly Value[], axis: number): Value {
  if (values.length === 1) return values[0]!;
  const shape = [...values[0]!.shape];
  shape[axis] = values.reduce((size, value) => size + value.shape[axis]!, 0);
  return emit('Concat', values, { shape, dtype: values[0]!.dtype }, { axis });
}

/** The elements at fixed positions along an axis. */
export function pick(value: Value, positions: readonly number[], axis: number): Value {
  const shape = value.shape.map((size, i) => (i === axis ? positions.length : size));
  return emit('Gather', [value, int64s(positions)], { shape, dtype: value.dtype }, { axis });
}

/** Adds `number` around a value: `paddings[i]` is [before, after] on axis i. */
export function pad(
  value: Value,
  paddings: readonly (readonly [number, number])[],
  number = 0,
): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return value;
  const shape = value.shape.map((size, i) => size + paddings[i]![0] + paddings[i]![1]);
  const filling = held(number, value.dtype as DType);
  return emit('Pad', [value, padAmounts(paddings), filling], { shape, dtype: value.dtype });
}

/** A number as a tensor of the type holds it. */
const held = (number: number, dtype: DType): Constant =>
  scalar(dtype === 'int32' ? number | 0 : number, dtype);

/** Paddings in ONNX's order: what comes before on every axis, then what comes after. */
function padAmounts(paddings: readonly (readonly [number, number])[]): Constant {
  const [before, after] = [0, 1].map((side) => paddings.map((padding) => padding[side]!));
  return int64s([...before!, ...after!]);
}

const Reshape: Lowering<{ shape: number[] }> = ({ x }, { shape }) =>
  reshape(x!, util.inferFromImplicitShape(shape, sizeOf(x!.shape)));

const ExpandDims: Lowering<{ dim: number }> = ({ input }, { dim }) => {
  const shape = [...input!.shape];
  const at = dim < 0 ? shape.length + dim + 1 : dim;
  util.assert(at >= 0, () => `expandDims: axis must be at least ${-shape.length - 1}, got ${dim}`);
  shape.splice(at, 0, 1);
  return reshape(input!, shape);
};

const Slice: Lowering<{ begin: number | number[]; size: number | number[] }> = (
  { x },
  { begin, size },
) => {
  const [from, sizes] = slice_util.parseSliceParams(x as never, begin, size) as [
    number[],
    number[],
  ];
  slice_util.assertParamsValid(x as never, from, sizes);
  if (isFromData(x!, from, sizes)) return rows(x!, from[0]!, sizes[0]!);
  return slice(
    x!,
    from,
    from.map((start, i) => start + sizes[i]!),
  );
};

/** Whether whole rows are cut, not from the first on, of a tensor whose bytes are there. */
function isFromData(x: Value, begin: readonly number[], sizes: readonly number[]): boolean {
  const whole = sizes.slice(1).every((size, i) => size === x.shape[i + 1]);
  return x.buffer !== undefined && whole && begin[0]! > 0 && sizes[0]! > 0;
}

/** A data set is cut in batches: where one begins is an input, so that each has the structure of every other. */
function rows(x: Value, begin: number, count: number): Value {
  const positions = Value.of(
    Int32Array.from({ length: count }, (_, i) => begin + i),
    [count],
    'int32',
  );
  const output = { shape: [count, ...x.shape.slice(1)], dtype: x.dtype };
  return emit('Gather', [x, positions], output, { axis: 0 });
}

interface StridedSliceAttributes {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}

const StridedSlice: Lowering<StridedSliceAttributes> = ({ x }, attributes) => {
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } =
    attributes;
  const info = slice_util.sliceInfo(
    x!.shape as number[],
    begin,
    end,
    strides,
    beginMask,
    endMask,
    ellipsisMask,
    newAxisMask,
    shrinkAxisMask,
  );
  if (info.isIdentity) return reshape(x!, info.finalShape);
  if (info.finalShapeSparse.includes(0)) return constantOf(0, info.finalShape, x!.dtype as DType);
  const picked = slice(x!, info.begin, info.end, info.strides);
  return reshape(picked, info.finalShape);
};

const zeros = (value: Value): number[] => value.shape.map(() => 0);

const Transpose: Lowering<{ perm: number[] }> = ({ x }, { perm }) => transpose(x!, perm);

const Concat: Lowering<{ axis: number }> = (inputs, { axis }) => {
  const values = Object.values(inputs);
  const at = util.parseAxisParam(axis, values[0]!.shape as number[])[0]!;
  const shapes = values.map(({ shape }) => shape as number[]);
  backend_util.assertParamsConsistent(shapes, at);
  const filled = values.filter((value) => sizeOf(value.shape) > 0);
  const dtype = values[0]!.dtype as DType;
  if (filled.length === 0) return constantOf(0, backend_util.computeOutShape(shapes, at), dtype);
  if (filled.length === 1) return filled[0]!;
  return concat(
    filled.map((value) => cast(value, dtype)),
    at,
  );
};

const Pack: Lowering<{ axis: number }> = (inputs, { axis }) => {
  const values = Object.values(inputs);
  const { shape, dtype } = values[0]!;
  for (const value of values) {
    util.assertShapesMatch(shape as number[], value.shape as number[], 'stack: ');
    util.assert(
      value.dtype === dtype,
      () => `stack: all tensors must have one dtype, got ${dtype} and ${value.dtype}`,
    );
  }
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  return concat(
    values.map((value) =>
      reshape(value, [...value.shape.slice(0, at), 1, ...value.shape.slice(at)]),
    ),
    at,
  );
};

/** The parts of a value along an axis, of these sizes. */
function split(value: Value, sizes: readonly number[], axis: number): Value[] {
  let at = 0;
  return sizes.map((size) => {
    const begin = zeros(value);
    const end = [...value.shape];
    begin[axis] = at;
    end[axis] = at += size;
    return slice(value, begin, end);
  });
}

const SplitV: Lowering<{ numOrSizeSplits: number | number[]; axis: number }> = (
  { x },
  { numOrSizeSplits, axis },
) => {
  const at = util.parseAxisParam(axis, x!.shape as number[])[0]!;
  return split(x!, backend_util.prepareSplitSize(x as never, numOrSizeSplits, at), at);
};

const Unpack: Lowering<{ axis: number }> = ({ value }, { axis }) => {
  const at = axis < 0 ? axis + value!.shape.length : axis;
  const shape = value!.shape.filter((_, i) => i !== at);
  const sizes = Array<number>(value!.shape[at]!).fill(1);
  return split(value!, sizes, at).map((part) => reshape(part, shape));
};

const Tile: Lowering<{ reps: number[] }> = ({ x }, { reps }) => {
  const shape = x!.shape.map((size, i) => size * reps[i]!);
  return emit('Tile', [x, int64s(reps)], { shape, dtype: x!.dtype });
};

const PadV2: Lowering<{ paddings: [number, number][]; constantValue: number }> = (
  { x },
  { paddings, constantValue },
) => pad(x!, paddings, constantValue);

/** ONNX's OneHot takes few types: compare with the positions instead. */
const OneHot: Lowering<{ dtype: DType; depth: number; onValue: number; offValue: number }> = (
  { indices },
  { dtype, depth, onValue, offValue },
) => {
  const column = reshape(indices!, [...indices!.shape, 1]);
  const positions = {
    constant: true,
    dtype: indices!.dtype as DType,
    shape: [depth],
    data: Array.from({ length: depth }, (_, i) => i),
  } as const;
  const shape = [...indices!.shape, depth];
  const equal = emit('Equal', [column, positions], { shape, dtype: 'bool' });
  if (onValue === 1 && offValue === 0) return cast(equal, dtype);
  return emit('Where', [equal, held(onValue, dtype), held(offValue, dtype)], { shape, dtype });
};

/** Kernels that move elements and compute none. */
export const shapeKernels: LoweringTable = {
  Concat,
  ExpandDims,
  OneHot,
  Pack,
  PadV2,
  Reshape,
  Slice,
  SplitV,
  StridedSlice,
  Tile,
  Transpose,
  Unpack,
};
