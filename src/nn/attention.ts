import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './ops.js';

/**
 * The most negative float32: added to a score it leaves nothing of it, and yet a row of nothing else has
 * a softmax (uniform) and finite gradients.
 */
const floatMin = -3.4028234663852886e38;

/** What to add to scores: 0 where the mask [batch, length] is not 0, else a huge negative; [batch, 1, 1, length]. */
export function additiveMask(mask: tf.Tensor2D): tf.Tensor4D {
  const ignored = tf.cast(tf.logicalNot(tf.cast(mask, 'bool')), 'float32');
  const [batch, length] = mask.shape;
  return tf.reshape(tf.mul(ignored, floatMin), [batch, 1, 1, length]);
}

/** What attention takes beside its three inputs; neither gets a gradient. */
export interface AttentionOptions {
  /** From `additiveMask`, broadcast over heads and queries. */
  readonly mask?: tf.Tensor4D;
  /** Factors of the attention probabilities, [batch, heads, queries, length] (see `dropoutMask`). */
  readonly dropout?: tf.Tensor;
}

/**
 * softmax(q kT / sqrt(dim) + mask) v (Vaswani et al. 2017): q [batch, heads, queries, dim], k and v [batch, heads,
 * length, dim].
 */
export function attention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  { mask, dropout }: AttentionOptions = {},
): tf.Tensor4D {
  const scale = 1 / Math.sqrt(q.shape[3]);
  return differentiable([q, k, v], (save) => {
    const scores: tf.Tensor4D = tf.mul(tf.matMul(q, k, false, true), scale); // [batch, heads, query, key]
    const probabilities = tf.softmax(mask === undefined ? scores : tf.add(scores, mask));
    const weights = dropout === undefined ? probabilities : tf.mul(probabilities, dropout);
    save(dropout === undefined ? [q, k, v, probabilities] : [q, k, v, probabilities, dropout]);
    return {
      value: tf.matMul(weights as tf.Tensor4D, v),
      gradient: (dy, saved) => attentionGradient(dy, saved as tf.Tensor4D[], scale),
    };
  });
}

function attentionGradient(
  dy: tf.Tensor4D,
  saved: readonly tf.Tensor4D[],
  scale: number,
): tf.Tensor[] {
  const [q, k, v, probabilities] = saved as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const dropout = saved[4];
  const dropped = (x: tf.Tensor4D): tf.Tensor4D => (dropout === undefined ? x : tf.mul(x, dropout));
  const dv = tf.matMul(dropped(probabilities), dy, true, false);
  const dProbabilities = dropped(tf.matMul(dy, v, false, true));
  const product = tf.mul(probabilities, dProbabilities);
  const dScores: tf.Tensor4D = tf.mul(
    tf.sub(product, tf.mul(probabilities, tf.sum(product, -1, true))),
    scale,
  );
  return [tf.matMul(dScores, k), tf.matMul(dScores, q, true, false), dv];
}
