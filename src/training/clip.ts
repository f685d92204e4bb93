import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../nn/ops.js';

/**
 * The Euclidean norm of all gradients together, a scalar: the `total_norm` of
 * `torch.nn.utils.clip_grad_norm_`. Nothing is read.
 */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    if (gradients.length === 0) return tf.scalar(0);
    const inputs = Object.fromEntries(gradients.map((gradient, i) => [String(i), gradient]));
    return fused('GlobalNorm', inputs, {}, () => {
      const squares = gradients.map((gradient) => tf.reshape(tf.sum(tf.square(gradient)), [1]));
      return [tf.sqrt(tf.sum(tf.concat(squares)))];
    })[0] as tf.Scalar;
  });
}

/**
 * What gradients are to be multiplied by so that their {@link globalNorm} is at most `maxNorm`, as
 * `torch.nn.utils.clip_grad_norm_` (Pascanu et al., 2013): min(1, maxNorm / (norm + 1e-6)). Nothing is read.
 */
export function clipScale(norm: tf.Scalar, maxNorm: number): tf.Scalar {
  return tf.tidy(() =>
    tf.minimum(tf.div(tf.scalar(maxNorm), tf.add(norm, tf.scalar(1e-6))), tf.scalar(1)),
  );
}
