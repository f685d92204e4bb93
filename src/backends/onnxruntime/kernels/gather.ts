import { backend_util, util } from '@tensorflow/tfjs-core';
import { emit, emitHost, scalar, sizeOf, Value } from '../graph.js';
import type { TypedArray } from '../graph.js';
import { cast, elementwise, reshape } from '../layout.js';
import { add, clip, numeric, where } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';

/** An index that ONNX Runtime refuses, of whatever it is asked for. */
const NOWHERE = scalar(2 ** 31 - 1, 'int32');

/** Indices that are there are checked at once; of others ONNX Runtime complains when it meets them. */
const GatherV2: Lowering<GatherAttributes> = ({ x, indices }, attributes) => {
  const { axis, batchDims = 0 } = attributes;
  const at = util.parseAxisParam(axis, x!.shape as number[])[0]!;
  assertWithin(indices!, x!.shape[at]!);
  if (batchDims !== 0) return gatherByBatch(x!, indices!, at, batchDims);
  return gather(x!, notFromTheEnd(indices!), at);
};

export interface GatherAttributes {
  readonly axis: number;
  readonly batchDims?: number;
}

/** The parts of a value at these indices along an axis. */
export function gather(x: Value, indices: Value, axis: number): Value {
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return emit('Gather', [x, indices], { shape, dtype: x.dtype }, { axis });
}

/** Indices of which none is negative: those ONNX counts from the end. What is there has been checked. */
function notFromTheEnd(indices: Value): Value {
  if (indices.buffer !== undefined) return indices;
  const counts = elementwise('GreaterOrEqual', [indices, scalar(0, 'int32')], 'bool');
  return where(counts, indices, NOWHERE, 'int32');
}

function assertWithin({ buffer }: Value, size: number): void {
  const outside = (buffer as TypedArray | undefined)?.find((index) => index < 0 || index >= size);
  util.assert(
    outside === undefined,
    () => `GatherV2: the index value ${outside} is not in [0, ${size - 1}]`,
  );
}

/** Each batch has its own indices: the rows of all batches are numbered through. */
function gatherByBatch(x: Value, indices: Value, axis: number, batchDims: number): Value {
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
    backend_util.segment_util.collectGatherOpShapeInfo(
      x as never,
      indices as never,
      axis,
      batchDims,
    );
  const first = Int32Array.from({ length: batchSize * outerSize }, (_, i) => i * dimSize);
  const rows = reshape(x, [batchSize * outerSize * dimSize, sliceSize]);
  const own = reshape(cast(indices, 'int32'), [batchSize, 1, sizeOf(indices.shape) / batchSize]);
  const numbers = add(Value.of(first, [batchSize, outerSize, 1], 'int32'), own);
  return reshape(gather(rows, unlessOutside(own, dimSize, numbers), 0), outputShape);
}

/** What is made of indices, and nowhere where they lie outside: another batch may begin there. */
function unlessOutside(indices: Value, size: number, made: Value): Value {
  if (indices.buffer !== undefined) return made;
  const inside = elementwise('Equal', [indices, clip(indices, 0, size - 1)], 'bool');
  return where(inside, made, NOWHERE, 'int32');
}

const GatherNd: Lowering = ({ params, indices }) => {
  backend_util.prepareAndValidate(params as never, indices as never);
  const depth = indices!.shape.at(-1)!;
  assertWithinEach(indices!, params!.shape.slice(0, depth));
  const shape = [...indices!.shape.slice(0, -1), ...params!.shape.slice(depth)];
  const numbers = cast(notFromTheEnd(indices!), 'int64');
  return emit('GatherND', [params, numbers], { shape, dtype: params!.dtype });
};

function assertWithinEach({ buffer }: Value, sizes: readonly number[]): void {
  const depth = sizes.length;
  const isOutside = (index: number, i: number) => index < 0 || index >= sizes[i % depth]!;
  const outside = (buffer as TypedArray | undefined)?.find(isOutside);
  util.assert(
    outside === undefined,
    () => `GatherNd: the indices must lie in shape [${sizes}], got ${outside}`,
  );
}

/**
 * Adds rows up by their id; ids outside 0 ... numSegments - 1 are left out. It is the gradient of an embedding.
 * ONNX Runtime's ScatterND with reduction add gives wrong sums when ids repeat (its threads race), and
 * ScatterElements is slow, so this is a loop on the host.
 */
const UnsortedSegmentSum: Lowering<{ numSegments: number }> = (
  { x, segmentIds },
  { numSegments },
) => {
  const summands = numeric(x!);
  const row = summands.shape.slice(segmentIds!.shape.length);
  const width = sizeOf(row);
  const output = { shape: [numSegments, ...row], dtype: summands.dtype };
  return emitHost('UnsortedSegmentSum', [summands, segmentIds!], [output], (inputs, _, place) => {
    const [rows, ids] = inputs;
    const sums = place(0)?.fill(0) ?? zerosLike(rows!, numSegments * width);
    return [addRows(rows!, ids!, width, sums)];
  })[0]!;
};

const zerosLike = ({ constructor }: TypedArray, length: number): TypedArray =>
  new (constructor as new (length: number) => TypedArray)(length);

function addRows(rows: TypedArray, ids: TypedArray, width: number, sums: TypedArray): TypedArray {
  const count = sums.length / width;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id < 0 || id >= count) continue;
    const from = i * width;
    const to = id * width;
    for (let j = 0; j < width; j++) sums[to + j]! += rows[from + j]!;
  }
  return sums;
}

/** Adds updates into zeros, on the host for the reason above. */
const ScatterNd: Lowering<{ shape: number[] }> = ({ indices, updates }, { shape }) => {
  const { sliceRank, numUpdates, sliceSize, strides, outputSize } = backend_util.calculateShapes(
    updates as never,
    indices as never,
    shape,
  );
  const rowCount = outputSize / sliceSize;
  const flat = reshape(indices!, [numUpdates, sliceRank]);
  return emitHost(
    'ScatterNd',
    [flat, updates!],
    [{ shape, dtype: updates!.dtype }],
    ([at, values]) => {
      const ids = Int32Array.from({ length: numUpdates }, (_, i) => {
        let id = 0;
        for (let j = 0; j < sliceRank; j++) id += at![i * sliceRank + j]! * strides[j]!;
        if (id >= 0 && id < rowCount) return id;
        throw new Error(`scatterND: indices must lie in shape [${shape}], row ${i} does not`);
      });
      return [addRows(values!, ids, sliceSize, zerosLike(values!, outputSize))];
    },
  )[0]!;
};

/** Kernels that pick and place rows. */
export const gatherKernels: LoweringTable = { GatherNd, GatherV2, ScatterNd, UnsortedSegmentSum };
