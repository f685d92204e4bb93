import { backend_util, util } from '@tensorflow/tfjs-core';
import { emit, emitHost, sizeOf } from '../graph.js';
import type { TypedArray } from '../graph.js';
import { cast, reshape } from '../layout.js';
import type { Lowering, LoweringTable } from './lowering.js';

const GatherV2: Lowering<{ axis: number; batchDims: number }> = (
  { x, indices },
  { axis, batchDims },
) => {
  if (batchDims !== 0) {
    throw new Error(
      `onnxruntime: gather knows no batchDims, got ${batchDims}; use gatherND or another backend`,
    );
  }
  const at = util.parseAxisParam(axis, x!.shape as number[])[0]!;
  const shape = [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)];
  return emit('Gather', [x, indices], { shape, dtype: x!.dtype }, { axis: at });
};

const GatherNd: Lowering = ({ params, indices }) => {
  const depth = indices!.shape.at(-1)!;
  const shape = [...indices!.shape.slice(0, -1), ...params!.shape.slice(depth)];
  return emit('GatherND', [params, cast(indices!, 'int64')], { shape, dtype: params!.dtype });
};

/**
 * Adds rows up by their id; ids outside 0 ... numSegments - 1 are left out. It is the gradient of an embedding.
 * ONNX Runtime's ScatterND with reduction add gives wrong sums when ids repeat (its threads race), and
 * ScatterElements is slow, so this is a loop on the host.
 */
const UnsortedSegmentSum: Lowering<{ numSegments: number }> = (
  { x, segmentIds },
  { numSegments },
) => {
  const row = x!.shape.slice(segmentIds!.shape.length);
  const width = sizeOf(row);
  const output = { shape: [numSegments, ...row], dtype: x!.dtype };
  return emitHost('UnsortedSegmentSum', [x!, segmentIds!], [output], ([rows, ids]) => [
    addRows(rows!, ids!, width, numSegments),
  ])[0]!;
};

function addRows(rows: TypedArray, ids: TypedArray, width: number, count: number): TypedArray {
  const sums =
    rows instanceof Int32Array ? new Int32Array(count * width) : new Float32Array(count * width);
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
  const flat = reshape(indices!, [numUpdates, sliceRank]);
  return emitHost(
    'ScatterNd',
    [flat, updates!],
    [{ shape, dtype: updates!.dtype }],
    ([at, values]) => {
      const ids = Int32Array.from({ length: numUpdates }, (_, i) => {
        let id = 0;
        for (let j = 0; j < sliceRank; j++) id += at![i * sliceRank + j]! * strides[j]!;
        return id;
      });
      return [addRows(values!, ids, sliceSize, outputSize / sliceSize)];
    },
  )[0]!;
};

/** Kernels that pick and place rows. */
export const gatherKernels: LoweringTable = { GatherNd, GatherV2, ScatterNd, UnsortedSegmentSum };
