import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { constant, normal } from '../nn/initializers.js';
import type { Initializer } from '../nn/initializers.js';
import type { Scope } from '../nn/module.js';
import { integer } from '../schema.js';
import { Fusion } from './fusion.js';
import type { FusionSizes, OptionsOf } from './fusion.js';

const options = v.strictObject({ rank: v.optional(integer(1), 4) });

/** Xavier's normal (Glorot and Bengio 2010) of factors [rank, size, classes], as PyTorch counts their fans. */
const xavier: Initializer = (values, shape, random) => {
  const [rank, size, classes] = shape as [number, number, number];
  normal(Math.sqrt(2 / ((size + rank) * classes)))(values, shape, random);
};

/**
 * Low-rank multimodal fusion (LMF, Liu et al. 2018): tensor fusion whose weight is a sum of `rank` products of a
 * factor for each modality, so that the outer product is never made.
 *
 *     logits = sum_r w_r ([1; t] T_r) * ([1; i] I_r) + b
 *
 * Parameters `text_factor` (T) [rank, textSize + 1, classes], `image_factor` (I), `fusion_weights` (w) [1, rank],
 * `fusion_bias` (b) [1, classes].
 */
export class LowRankFusion extends Fusion {
  static readonly options = options;
  readonly textFactor: tf.Variable;
  readonly imageFactor: tf.Variable;
  readonly fusionWeights: tf.Variable;
  readonly fusionBias: tf.Variable;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    super(config, sizes, scope);
    const { textSize, imageSize, classes } = sizes;
    const { rank } = config;
    this.textFactor = this.parameter('text_factor', [rank, textSize + 1, classes], xavier);
    this.imageFactor = this.parameter('image_factor', [rank, imageSize + 1, classes], xavier);
    this.fusionWeights = this.parameter(
      'fusion_weights',
      [1, rank],
      normal(Math.sqrt(2 / (1 + rank))),
    );
    this.fusionBias = this.parameter('fusion_bias', [1, classes], constant(0));
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const t = project(text, this.textFactor as tf.Tensor3D); // [rank, batch, classes]
    const i = project(image, this.imageFactor as tf.Tensor3D);
    const weights = tf.reshape(this.fusionWeights, [-1, 1, 1]); // [rank, 1, 1]
    const sum: tf.Tensor2D = tf.sum(tf.mul(tf.mul(t, i), weights), 0);
    return tf.add(sum, this.fusionBias);
  }
}

/** [1; x] times each factor: x [batch, size] and factors [rank, size + 1, out] to [rank, batch, out]. */
function project(x: tf.Tensor2D, factors: tf.Tensor3D): tf.Tensor3D {
  const [rank, size, out] = factors.shape;
  const flat = tf.reshape(tf.transpose(factors, [1, 0, 2]), [size, rank * out]);
  const bias = tf.slice(flat, [0, 0], [1, rank * out]);
  const weight = tf.slice(flat, [1, 0], [size - 1, rank * out]);
  const all = tf.add(tf.matMul(x, weight), bias); // [batch, rank * out]
  return tf.transpose(tf.reshape(all, [x.shape[0], rank, out]), [1, 0, 2]);
}
