import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import type { Scope } from '../nn/module.js';
import { digamma, lgamma } from '../nn/special.js';
import { Fusion } from './fusion.js';
import type { FusionSizes, LossContext, OptionsOf } from './fusion.js';

const options = v.strictObject({
  annealing: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0)), 10),
});

/**
 * Trusted multi-view classification (TMC, Han et al. 2021): each modality gives evidence e >= 0 for each of the K
 * classes, that is a Dirichlet distribution with alpha = e + 1, and Dempster's rule combines the two.
 *
 *     e_m = softplus(l_m), alpha = e_t + e_i + e_t * e_i / K + 1, p = alpha / sum(alpha), logits = log(alpha)
 *
 * (the paper's rule on beliefs e / S and uncertainties K / S, S = sum(alpha), written out). The logits of every mode are
 * log(alpha): their softmax is p, and K / sum(exp(logits)) is how uncertain an answer is, from 0 to 1.
 *
 * The loss is the paper's: the mean of the cross-entropy over the Dirichlet distribution, and the divergence of what
 * evidence speaks for wrong classes from none, whose weight grows from 0 to 1 over `annealing` epochs.
 *
 *     sum_k y_k (digamma(S) - digamma(alpha_k)) + min(1, epoch / annealing) KL(Dir(y + (1 - y) * alpha) || Dir(1))
 *
 * With the trainer's `auxiliary` losses (weight 1, the default) the whole is the paper's sum over both views and their
 * combination. It has no parameters of its own.
 */
export class EvidentialFusion extends Fusion {
  static readonly options = options;
  readonly #annealing: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    super(config, sizes, scope);
    this.#annealing = config.annealing;
  }

  override get usesCrossEntropy(): boolean {
    return false;
  }

  override rowLosses(
    logits: tf.Tensor2D,
    targets: tf.Tensor2D,
    { epoch }: LossContext,
  ): tf.Tensor1D {
    const alpha: tf.Tensor2D = tf.exp(logits);
    const surprise = tf.sub(digamma(tf.sum(alpha, 1, true)), digamma(alpha)); // [rows, classes]
    const fit: tf.Tensor1D = tf.sum(tf.mul(targets, surprise), 1);
    const weights = tf.sum(targets, 1, true); // [rows, 1]: 1, or what the class of the row counts
    const truth = tf.div(targets, tf.maximum(weights, 1e-12));
    const wrong: tf.Tensor2D = tf.add(tf.mul(tf.sub(alpha, 1), tf.sub(1, truth)), 1);
    const annealed = tf.minimum(tf.div(epoch, this.#annealing), 1);
    const divergence = tf.mul(divergenceFromUniform(wrong), tf.squeeze(weights, [1]));
    return tf.add(fit, tf.mul(divergence, annealed));
  }

  protected override text(text: tf.Tensor2D): tf.Tensor2D {
    return tf.log1p(tf.softplus(this.mlpText.forward(text)));
  }

  protected override image(image: tf.Tensor2D): tf.Tensor2D {
    return tf.log1p(tf.softplus(this.mlpImage.forward(image)));
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const t = tf.softplus(this.mlpText.forward(text)); // [batch, classes]
    const i = tf.softplus(this.mlpImage.forward(image));
    const agreed: tf.Tensor2D = tf.div(tf.mul(t, i), this.sizes.classes);
    return tf.log1p(tf.add<tf.Tensor2D>(tf.add(t, i), agreed));
  }
}

/** KL(Dir(alpha) || Dir(1)) of each row: alpha [rows, classes] to [rows]. */
function divergenceFromUniform(alpha: tf.Tensor2D): tf.Tensor1D {
  const classes = alpha.shape[1];
  const total = tf.sum(alpha, 1, true); // [rows, 1]
  const logNorm = tf.sub(lgamma(tf.squeeze(total, [1])), tf.sum(lgamma(alpha), 1));
  const spread = tf.sub(digamma(alpha), digamma(total));
  const mean = tf.sum(tf.mul(tf.sub(alpha, 1), spread), 1);
  return tf.sub(tf.add(logNorm, mean) as tf.Tensor1D, logFactorial(classes - 1));
}

function logFactorial(n: number): number {
  return Array.from({ length: n }, (_, i) => Math.log(i + 1)).reduce((sum, log) => sum + log, 0);
}
