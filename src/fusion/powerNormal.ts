import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from '../nn/ops.js';

/** Below this the slope of a square root is taken as if it were this: it stays finite at 0. */
const least = 1e-12;

/** sign(x) sqrt(|x|), element by element: what stands out stands out less (Perronnin et al. 2010). */
export function signedSqrt<T extends tf.Tensor>(x: T): T {
  return differentiable([x], (save) => {
    const root = tf.sqrt(tf.abs(x));
    save([root]);
    return {
      value: tf.mul(tf.sign(x), root) as T,
      gradient: (dy, [saved]) => [tf.div(dy, tf.mul(tf.maximum(saved!, Math.sqrt(least)), 2))],
    };
  });
}

/** Rows of length 1: x / max(|x|, 1e-12) as `torch.nn.functional.normalize`, [batch, size] to the same. */
export function unitRows(x: tf.Tensor2D): tf.Tensor2D {
  const squares = tf.maximum(tf.sum(tf.square(x), 1, true), least ** 2); // [batch, 1]
  return tf.mul(x, tf.rsqrt(squares));
}

/** The power normalisation of bilinear features: `signedSqrt`, then `unitRows`. */
export function powerNormal(x: tf.Tensor2D): tf.Tensor2D {
  return unitRows(signedSqrt(x));
}
