import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { requireChoice } from './config.js';

/** How the vectors of a row become one: the first, or the mean or the largest elements of those that count. */
export type Pooling = 'cls' | 'mean' | 'max';

/** Of a picture, whose places have no first one. */
export type ImagePooling = Exclude<Pooling, 'cls'>;

/** All of them. */
export const poolings: readonly Pooling[] = ['cls', 'mean', 'max'];
export const imagePoolings: readonly ImagePooling[] = ['mean', 'max'];

/** The ways to pool, in their order. */
export const waysOf = <P extends Pooling>(pooling: P | readonly P[]): readonly P[] =>
  Array.isArray(pooling) ? (pooling as readonly P[]) : [pooling as P];

/** @throws InputError unless it is one of the known ways, or several different ones. */
export function requirePooling(owner: string, pooling: unknown, known: readonly Pooling[]): void {
  const ways = waysOf(pooling as Pooling | readonly Pooling[]);
  for (const way of ways) requireChoice(owner, 'pooling', way, known);
  if (ways.length > 0 && new Set(ways).size === ways.length) return;
  throw new InputError(
    `${owner}: pooling must be one of ${known.join(', ')}, or several different ones, got [${ways.join(', ')}]`,
  );
}

/**
 * One vector a row: [batch, length, width] to [batch, width times the number of poolings], one after the other, as the
 * Pooling of sentence-transformers joins them. Tokens that the mask leaves out are not looked at, except by `cls`; a row
 * that keeps none is zero.
 *
 * @param mask [batch, length], 1 where a token counts; without it all do
 */
export function poolTokens(
  hidden: tf.Tensor3D,
  pooling: Pooling | readonly Pooling[],
  mask?: tf.Tensor2D,
): tf.Tensor2D {
  return joined(waysOf(pooling).map((way) => pools[way](hidden, mask)));
}

/** One vector a picture of its map: [batch, height, width, channels] to [batch, channels times the number of poolings]. */
export function poolMaps(
  maps: tf.Tensor4D,
  pooling: ImagePooling | readonly ImagePooling[],
): tf.Tensor2D {
  const places = [1, 2];
  return joined(
    waysOf(pooling).map((way) => (way === 'mean' ? tf.mean(maps, places) : tf.max(maps, places))),
  );
}

const joined = (vectors: readonly tf.Tensor2D[]): tf.Tensor2D =>
  vectors.length === 1 ? vectors[0]! : tf.concat([...vectors], 1);

const pools: Readonly<Record<Pooling, (hidden: tf.Tensor3D, mask?: tf.Tensor2D) => tf.Tensor2D>> = {
  cls: (hidden) => {
    const [batch, , width] = hidden.shape;
    return tf.reshape(tf.slice(hidden, [0, 0, 0], [batch, 1, width]), [batch, width]);
  },
  mean: (hidden, mask) => {
    if (mask === undefined) return tf.mean(hidden, 1);
    const kept = keptTokens(mask);
    const count = tf.maximum(tf.sum(kept, 1), 1e-9); // [batch, 1]
    return tf.div(tf.sum(tf.mul(hidden, kept), 1), count);
  },
  max: (hidden, mask) => {
    if (mask === undefined) return tf.max(hidden, 1);
    const kept = keptTokens(mask);
    // Below what leaves a LayerNorm, and no infinity, which times 0 is no number.
    const behind = tf.mul(tf.sub(1, kept), -1e9);
    const largest = tf.max<tf.Tensor2D>(tf.add(tf.mul(hidden, kept), behind), 1);
    return tf.mul(largest, tf.max(kept, 1));
  },
};

/** float32 [batch, length, 1]. */
function keptTokens(mask: tf.Tensor2D): tf.Tensor {
  return tf.expandDims(tf.cast(mask, 'float32'), -1);
}
