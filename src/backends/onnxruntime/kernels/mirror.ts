import { util } from '@tensorflow/tfjs-core';
import type { Value } from '../graph.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { pick, slice } from './shape.js';

const MirrorPad: Lowering<{ paddings: [number, number][]; mode: 'reflect' | 'symmetric' }> = (
  { x },
  { paddings, mode },
) => {
  const edge = mode === 'reflect' ? 1 : 0; // whether the mirror stands on the last element or behind it
  return paddings.reduce((value, [before, after], axis) => {
    if (before === 0 && after === 0) return value;
    const size = value.shape[axis]!;
    const positions = Array.from({ length: before + size + after }, (_, i) => {
      const at = i - before;
      if (at < 0) return edge - 1 - at;
      return at < size ? at : 2 * size - 1 - edge - at;
    });
    return pick(value, positions, axis);
  }, x!);
};

const Reverse: Lowering<{ dims: number[] }> = ({ x }, { dims }) =>
  reverse(x!, util.parseAxisParam(dims, x!.shape as number[]));

/** A value with the elements along these axes in the opposite order. */
function reverse(x: Value, axes: readonly number[]): Value {
  const isTurned = x.shape.map((_, i) => axes.includes(i));
  return slice(
    x,
    x.shape.map((size, i) => (isTurned[i] ? size - 1 : 0)),
    x.shape.map((size, i) => (isTurned[i] ? -1 : size)),
    isTurned.map((turned) => (turned ? -1 : 1)),
  );
}

/** Kernels that turn the order of elements round. */
export const mirrorKernels: LoweringTable = {
  FlipLeftRight: ({ image }) => reverse(image!, [2]),
  MirrorPad,
  Reverse,
};
