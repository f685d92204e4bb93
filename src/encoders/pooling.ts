import * as tf from '@tensorflow/tfjs-core';

/** How the vectors of a row become one: the first, or the mean or the largest elements of those that count. */
export type Pooling = 'cls' | 'mean' | 'max';

/** All of them. */
export const poolings: readonly Pooling[] = ['cls', 'mean', 'max'];

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
  const ways = typeof pooling === 'string' ? [pooling] : pooling;
  const vectors = ways.map((way) => pools[way](hidden, mask));
  return vectors.length === 1 ? vectors[0]! : tf.concat(vectors, 1);
}

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
