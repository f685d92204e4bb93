import * as tf from '@tensorflow/tfjs-core';
import { dropoutDraw, dropoutMask } from './dropout.js';
import type { DropoutDraw, ForwardContext } from './dropout.js';
import { differentiable, fused, hasKernel, runFused } from './ops.js';

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

/** What attention of several heads takes beside its three inputs. */
export interface HeadsOptions {
  readonly heads: number;
  /** From `additiveMask`, broadcast over heads and queries. */
  readonly mask?: tf.Tensor4D;
  /** The rate of dropout of the attention probabilities. */
  readonly rate: number;
}

/** Up to so many keys a kernel for the whole pays; above, products of matrices read less. */
const MOST_KEYS = 256;

/** `attention` of each head: q [batch, queries, width], k and v [batch, length, width] to [batch, queries, width]. */
export function headsAttention(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  { heads, mask, rate }: HeadsOptions,
  context: ForwardContext,
): tf.Tensor3D {
  const [batch, queries, width] = q.shape;
  const length = k.shape[1];
  if (length <= MOST_KEYS && hasKernel('Attention')) {
    return wholeAttention([q, k, v], mask, heads, dropoutDraw(rate, context));
  }
  const split = (x: tf.Tensor3D): tf.Tensor4D =>
    tf.transpose(tf.reshape(x, [batch, x.shape[1], heads, width / heads]), [0, 2, 1, 3]);
  const dropout = dropoutMask([batch, heads, queries, length], rate, context);
  const attended = attention(split(q), split(k), split(v), { mask, dropout });
  return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch, queries, width]);
}

function wholeAttention(
  inputs: readonly [q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D],
  mask: tf.Tensor4D | undefined,
  heads: number,
  draw: DropoutDraw,
): tf.Tensor3D {
  const scale = 1 / Math.sqrt(inputs[0].shape[2] / heads);
  const attributes = { heads, scale, ...draw };
  return differentiable(inputs, (save) => {
    const [q, k, v] = inputs;
    const given = { q, k, v, ...(mask && { mask }) };
    const [y, probabilities] = runFused('Attention', given, attributes);
    save([q, k, v, probabilities!]);
    return {
      value: y as tf.Tensor3D,
      gradient: (dy, saved) => {
        const [savedQ, savedK, savedV, weights] = saved as [
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
        ];
        const given = { dy, q: savedQ, k: savedK, v: savedV, probabilities: weights };
        return runFused('AttentionGrad', given, attributes);
      },
    };
  });
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
    const scores: tf.Tensor4D = tf.matMul(q, k, false, true); // [batch, heads, query, key]
    const { probabilities, weights } = attentionSoftmax(scores, scale, { mask, dropout });
    save(dropout === undefined ? [q, k, v, probabilities] : [q, k, v, probabilities, dropout]);
    return {
      value: tf.matMul(weights, v),
      gradient: (dy, saved) => attentionGradient(dy, saved as tf.Tensor4D[], scale),
    };
  });
}

/** softmax(scores scale + mask), and the same as dropout leaves it. */
function attentionSoftmax(
  scores: tf.Tensor4D,
  scale: number,
  { mask, dropout }: AttentionOptions,
): Record<'probabilities' | 'weights', tf.Tensor4D> {
  const inputs = { scores, ...(mask && { mask }), ...(dropout && { dropout }) };
  const [probabilities, weights] = fused('AttentionSoftmax', inputs, { scale }, () => {
    const scaled = tf.mul(scores, scale);
    const all = tf.softmax(mask === undefined ? scaled : tf.add(scaled, mask));
    return dropout === undefined ? [all] : [all, tf.mul(all, dropout)];
  }) as [tf.Tensor4D, tf.Tensor4D?];
  return { probabilities, weights: weights ?? probabilities };
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
  const dWeights: tf.Tensor4D = tf.matMul(dy, v, false, true);
  const given = { probabilities, dy: dWeights, ...(dropout && { dropout }) };
  const [dScores] = fused('AttentionSoftmaxGrad', given, { scale }, () => {
    const product = tf.mul(probabilities, dropped(dWeights));
    const along = tf.mul(probabilities, tf.sum(product, -1, true));
    return [tf.mul(tf.sub(product, along), scale)];
  }) as [tf.Tensor4D];
  return [tf.matMul(dScores, k), tf.matMul(dScores, q, true, false), dv];
}
