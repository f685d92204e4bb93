import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import type { Scope } from '../nn/module.js';
import { detached } from '../nn/ops.js';
import { atLeast } from '../schema.js';
import { Fusion } from './fusion.js';
import type { FusionSizes, LossContext, OptionsOf } from './fusion.js';

const options = v.strictObject({
  temperature: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0)), 10),
  regularization: v.optional(atLeast(0), 1),
});

/**
 * Quality-aware multimodal fusion (QMF, Zhang et al. 2023): the logits of the single modes, each weighed row by row by
 * how sure it is, which is read off its energy.
 *
 *     w_m = logsumexp(l_m) / temperature, logits = w_t l_t + w_i l_i   (no gradient through w)
 *
 * The losses of the single modes (`auxiliary` of the trainer, which must stay on) are those of the paper: cross-entropy,
 * and `regularization` times a rank loss by which the rows that are learned better become the surer ones,
 *
 *     max(0, g (w_a - w_b) + |k_a - k_b|), g = sign(k_a - k_b)
 *
 * for each row a and the next one b. k says how badly a row is learned: the paper keeps the mean loss of each row over
 * the epochs; here it is 1 - exp(-loss) of this step, from 0 to 1, so that a run has no state beside its weights.
 * It has no parameters of its own.
 */
export class QmfFusion extends Fusion {
  static readonly options = options;
  readonly #config: OptionsOf<typeof options>;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    super(config, sizes, scope);
    this.#config = config;
  }

  /** How sure logits [rows, classes] are: [rows]. */
  confidence(logits: tf.Tensor2D): tf.Tensor1D {
    return tf.div(tf.logSumExp(logits, 1), this.#config.temperature);
  }

  /** The rank loss is one of the single modes. */
  override get needsAuxiliary(): boolean {
    return this.#config.regularization > 0;
  }

  override rowLosses(logits: tf.Tensor2D, targets: tf.Tensor2D, context: LossContext): tf.Tensor1D {
    const losses = context.crossEntropy(logits, targets);
    const { regularization } = this.#config;
    if (context.mode === 'both' || regularization === 0 || losses.shape[0] === 1) return losses;
    const badness = detached(() => tf.sub(1, tf.exp(tf.neg(losses))) as tf.Tensor1D);
    const ranks = rankLosses(this.confidence(logits), badness, context.counted);
    return tf.add(losses, tf.mul(ranks, regularization));
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const heads = [this.mlpText.forward(text), this.mlpImage.forward(image)];
    const [t, i] = heads.map((logits) => {
      const weight = detached(() => tf.expandDims(this.confidence(logits), 1)); // [batch, 1]
      return tf.mul<tf.Tensor2D>(logits, weight);
    });
    return tf.add(t!, i!);
  }
}

/** The rank loss of each row and the next one, 0 where either does not count: [rows] each. */
function rankLosses(
  confidence: tf.Tensor1D,
  badness: tf.Tensor1D,
  counted: tf.Tensor1D,
): tf.Tensor1D {
  const difference = tf.sub(badness, next(badness));
  const ahead = tf.mul(tf.sign(difference), tf.sub(confidence, next(confidence)));
  const losses = tf.relu(tf.add(ahead, tf.abs(difference)));
  return tf.mul(losses, tf.mul(counted, next(counted)));
}

/** The elements one place ahead, the first one last. */
function next(x: tf.Tensor1D): tf.Tensor1D {
  return tf.concat([tf.slice(x, 1), tf.slice(x, 0, 1)]);
}
