import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { fused } from './ops.js';
import { finalize, hashKey } from './random.js';

/** How a forward pass runs: never a global. */
export interface ForwardContext {
  /** Dropout drops, and BatchNorm uses and records the statistics of the batch. */
  readonly training: boolean;
  /** Where dropout draws from; needed in training where a dropout rate is above 0. */
  readonly random?: DropoutSource;
  /**
   * The encoders' layers keep nothing for the backward pass but their inputs, and are computed again there: less
   * memory for the time of one more forward pass (see `checkpoint`; default false).
   */
  readonly gradientCheckpointing?: boolean;
  /**
   * What BatchNorm does in training where a channel has a single value, which has no variance: one picture whose map is
   * down to one place. `refuse` (the default) is an error, as in PyTorch; `running` takes the running statistics there,
   * as in evaluation, and does not move them.
   */
  readonly singleValues?: 'refuse' | 'running';
  /** Set while a layer is computed again: what a pass records, such as running statistics, was recorded before. */
  readonly recomputing?: boolean;
}

/**
 * Dropout masks of one training step. A mask is a hash of (seed, step, layer, index), so it is the same
 * on every backend, a resumed run draws what an uninterrupted one would have, and there is no state to save.
 */
export class DropoutSource {
  #layer = 0;

  constructor(
    readonly seed: number,
    readonly step: number,
  ) {}

  /** The number of layers that have drawn from it. */
  get drawn(): number {
    return this.#layer;
  }

  /** Another source that will draw what this one will, for a layer that is computed again. */
  fork(): DropoutSource {
    const copy = new DropoutSource(this.seed, this.step);
    copy.#layer = this.#layer;
    return copy;
  }

  /** The next layer's mask: bool, true (kept) with probability 1 - rate. */
  mask(shape: readonly number[], rate: number): tf.Tensor {
    return maskOf(shape, this.#draw(rate));
  }

  /** The next layer's draw, for a kernel that makes its factors where it uses them. */
  draw(rate: number): DropoutDraw {
    return { ...this.#draw(rate), factor: 1 / (1 - rate) };
  }

  /** What the next layer is multiplied by: float32, 0 where `mask` is false and 1 / (1 - rate) where it is true. */
  factors(shape: readonly number[], rate: number): tf.Tensor {
    const draw = this.draw(rate);
    return fused('DropoutFactors', {}, { shape: [...shape], ...draw }, () => [
      tf.mul(tf.cast(maskOf(shape, draw), 'float32'), draw.factor),
    ])[0]!;
  }

  #draw(rate: number): Draw {
    const key = hashKey(this.seed, 'dropout', this.step, this.#layer++);
    return { key, threshold: Math.ceil(rate * 2 ** 32) };
  }
}

/** Names the numbers of one layer, and those of them that keep an element: at least the threshold. */
interface Draw extends Record<string, number> {
  readonly key: number;
  readonly threshold: number;
}

/** A draw, and what it multiplies the elements by that it keeps. */
export interface DropoutDraw extends Draw {
  readonly factor: number;
}

function maskOf(shape: readonly number[], { key, threshold }: Draw): tf.Tensor {
  const compose = (): tf.Tensor[] => [composeMask(shape, key, threshold)];
  return fused('DropoutMask', {}, { shape: [...shape], key, threshold }, compose)[0]!;
}

/** An element is kept where the hash of the key and its position is at least the threshold. */
function composeMask(shape: readonly number[], key: number, threshold: number): tf.Tensor {
  const kept = new Uint8Array(shape.reduce((size, length) => size * length, 1));
  for (let i = 0; i < kept.length; i++) {
    kept[i] = finalize(key + Math.imul(i, goldenRatio)) >>> 0 < threshold ? 0 : 1;
  }
  return tf.tensor(kept, [...shape], 'bool');
}

const goldenRatio = 0x9e3779b9;

/** In training, zeroes elements with probability `rate` and scales the others by 1 / (1 - rate). */
export function dropout<T extends tf.Tensor>(x: T, rate: number, context: ForwardContext): T {
  const mask = dropoutMask(x.shape, rate, context);
  return mask === undefined ? x : (tf.mul(x, mask) as T);
}

/**
 * The factors of `dropout`: 0 or 1 / (1 - rate), float32; undefined where nothing is dropped.
 *
 * @throws InputError in training without a source.
 */
export function dropoutMask(
  shape: readonly number[],
  rate: number,
  context: ForwardContext,
): tf.Tensor | undefined {
  return sourceOf(rate, context)?.factors(shape, rate);
}

/** As `dropoutMask`, for a kernel that makes the factors itself; where nothing is dropped all of them are 1. */
export function dropoutDraw(rate: number, context: ForwardContext): DropoutDraw {
  return sourceOf(rate, context)?.draw(rate) ?? { key: 0, threshold: 0, factor: 1 };
}

function sourceOf(rate: number, { training, random }: ForwardContext): DropoutSource | undefined {
  if (!training || rate === 0) return undefined;
  if (random !== undefined) return random;
  throw new InputError(
    'dropout: training draws from a source, got none; pass random: new DropoutSource(seed, step)',
  );
}
