import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import { emit, int64s, scalar, sizeOf } from '../graph.js';
import type { Constant, DType, Value } from '../graph.js';
import { cast, reshape, transpose } from '../layout.js';
import type { Lowering, LoweringTable } from './lowering.js';

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
  const operands = [begin, end, axes, strides].map(int64s);
  return emit('Slice', [value, ...operands], { shape, dtype: value.dtype });
}

/** Joins values along an axis. */
export function concat(values: readonly Value[], axis: number): Value {
  if (values.length === 1) return values[0]!;
  const shape = [...values[0]!.shape];
  shape[axis] = values.reduce((size, value) => size + value.shape[axis]!, 0);
  return emit('Concat', values, { shape, dtype: values[0]!.dtype }, { axis });
}

/** Adds `number` around a value: `paddings[i]` is [before, after] on axis i. */
export function pad(
  value: Value,
  paddings: readonly (readonly [number, number])[],
  number = 0,
): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return value;
  const shape = value.shape.map((size, i) => size + paddings[i]![0] + paddings[i]![1]);
  return emit('Pad', [value, padAmounts(paddings), scalar(number, value.dtype as DType)], {
    shape,
    dtype: value.dtype,
  });
}

/** Paddings in ONNX's order: what comes before on every axis, then what comes after. */
function padAmounts(paddings: readonly (readonly [number, number])[]): Constant {
  const [before, after] = [0, 1].map((side) => paddings.map((padding) => padding[side]!));
  return int64s([...before!, ...after!]);
}

const Reshape: Lowering<{ shape: number[] }> = ({ x }, { shape }) =>
  reshape(x!, util.inferFromImplicitShape(shape, sizeOf(x!.shape)));

const ExpandDims: Lowering<{ dim: number }> = ({ input }, { dim }) => {
  const shape = [...input!.shape];
  shape.splice(dim < 0 ? shape.length + dim + 1 : dim, 0, 1);
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
  return slice(
    x!,
    from,
    from.map((start, i) => start + sizes[i]!),
  );
};

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
  if (info.finalShapeSparse.some((size) => size === 0)) return slice(x!, zeros(x!), zeros(x!));
  const picked = slice(x!, info.begin, info.end, info.strides);
  return reshape(picked, info.finalShape);
};

const zeros = (value: Value): number[] => value.shape.map(() => 0);

const Transpose: Lowering<{ perm: number[] }> = ({ x }, { perm }) => transpose(x!, perm);

const Concat: Lowering<{ axis: number }> = (inputs, { axis }) => {
  const values = Object.values(inputs);
  const at = util.parseAxisParam(axis, values[0]!.shape as number[])[0]!;
  const filled = values.filter((value) => sizeOf(value.shape) > 0);
  return filled.length === 0 ? values[0]! : concat(filled, at);
};

const Pack: Lowering<{ axis: number }> = (inputs, { axis }) => {
  const values = Object.values(inputs);
  const at = axis < 0 ? axis + values[0]!.shape.length + 1 : axis;
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

const MirrorPad: Lowering<{ paddings: [number, number][]; mode: 'reflect' | 'symmetric' }> = (
  { x },
  { paddings, mode },
) => {
  if (mode !== 'reflect')
    throw new Error('onnxruntime: mirrorPad knows the mode reflect only; use another backend');
  const shape = x!.shape.map((size, i) => size + paddings[i]![0] + paddings[i]![1]);
  return emit('Pad', [x, padAmounts(paddings)], { shape, dtype: x!.dtype }, { mode: 'reflect' });
};

const Reverse: Lowering<{ dims: number[] }> = ({ x }, { dims }) => {
  const axes = util.parseAxisParam(dims, x!.shape as number[]);
  if (axes.length === 0) return x!;
  const operands = [axes.map(() => -1), axes.map(() => -(2 ** 31)), axes, axes.map(() => -1)].map(
    int64s,
  );
  return emit('Slice', [x, ...operands], { shape: x!.shape, dtype: x!.dtype });
};

/** ONNX's OneHot takes few types: compare with the positions instead. */
const OneHot: Lowering<{ dtype: DType; depth: number; onValue: number; offValue: number }> = (
  { indices },
  { dtype, depth, onValue, offValue },
) => {
  const column = reshape(indices!, [...indices!.shape, 1]);
  const positions = {
    constant: true,
    dtype: indices!.dtype,
    shape: [depth],
    data: Array.from({ length: depth }, (_, i) => i),
  } as const;
  const shape = [...indices!.shape, depth];
  const equal = emit('Equal', [column, positions], { shape, dtype: 'bool' });
  if (onValue === 1 && offValue === 0) return cast(equal, dtype);
  return emit('Where', [equal, scalar(onValue, dtype), scalar(offValue, dtype)], { shape, dtype });
};

/** Kernels that move elements and compute none. */
export const shapeKernels: LoweringTable = {
  Concat,
  ExpandDims,
  MirrorPad,
  OneHot,
  Pack,
  PadV2,
  Reshape,
  Reverse,
  Slice,
  SplitV,
  StridedSlice,
  Tile,
  Transpose,
  Unpack,
};
