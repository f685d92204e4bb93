import * as tf from '@tensorflow/tfjs-core';

/**
 * The Euclidean norm of all gradients together, a scalar: the `total_norm` of
 * `torch.nn.utils.clip_grad_norm_`. Nothing is read.
 */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    if (gradients.length === 0) return tf.scalar(0);
    const squares = gradients.map((gradient) => tf.reshape(tf.sum(tf.square(gradient)), [1]));
    return tf.sqrt(tf.sum(tf.concat(squares))) as tf.Scalar;
  });
}

/**
 * Scales gradients so that their {@link globalNorm} is at most `maxNorm`, as
 * `torch.nn.utils.clip_grad_norm_` (Pascanu et al., 2013): each is multiplied by min(1, maxNorm /
 * (norm + 1e-6)).
 *
 * @returns new tensors, in the order given, and the norm before clipping. The caller disposes both.
 */
export function clipByGlobalNorm(
  gradients: readonly tf.Tensor[],
  maxNorm: number,
): { clipped: tf.Tensor[]; norm: tf.Scalar } {
  const norm = globalNorm(gradients);
  const clipped = tf.tidy(() => {
    const factor = tf.minimum(
      tf.div(tf.scalar(maxNorm), tf.add(norm, tf.scalar(1e-6))),
      tf.scalar(1),
    );
    return gradients.map((gradient) => tf.mul(gradient, factor));
  });
  return { clipped, norm };
}
