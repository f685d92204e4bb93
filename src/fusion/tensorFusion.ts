import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { relu } from '../nn/activations.js';
import { dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { integer } from '../schema.js';
import { Fusion } from './fusion.js';
import type { FusionContext, FusionSizes, OptionsOf } from './fusion.js';
import { hiddenOptions } from './projected.js';

const options = v.strictObject({ ...hiddenOptions.entries, dim: v.optional(integer(1), 32) });

/**
 * Tensor fusion (Zadeh et al. 2017): the outer product of both features, each with a 1 beside it, so that it holds
 * every product of two elements and every element alone.
 *
 *     t' = relu(U t), i' = relu(V i), z = [t'; 1] x [i'; 1], logits = W_2 relu(W_1 z)
 *
 * Parameters `text_proj` (U) and `image_proj` (V) to `dim`, which is small since z has (dim + 1)^2 elements,
 * `post_fusion_layer_1` (W_1) to the model's hiddenSize, `post_fusion_layer_2` (W_2).
 */
export class TensorFusion extends Fusion {
  static readonly options = options;
  readonly textProjection: Linear;
  readonly imageProjection: Linear;
  readonly first: Linear;
  readonly second: Linear;
  readonly #dropout: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    super(config, sizes, scope);
    const { textSize, imageSize, hiddenSize, classes } = sizes;
    const { dim } = config;
    this.textProjection = this.child('text_proj', (inner) => new Linear(textSize, dim, inner));
    this.imageProjection = this.child('image_proj', (inner) => new Linear(imageSize, dim, inner));
    this.first = this.child(
      'post_fusion_layer_1',
      (inner) => new Linear((dim + 1) ** 2, hiddenSize, inner),
    );
    this.second = this.child(
      'post_fusion_layer_2',
      (inner) => new Linear(hiddenSize, classes, inner),
    );
    this.#dropout = config.dropout;
  }

  protected override both(
    text: tf.Tensor2D,
    image: tf.Tensor2D,
    context: FusionContext,
  ): tf.Tensor2D {
    const t = withOne(relu(this.textProjection.forward(text))); // [batch, dim + 1]
    const i = withOne(relu(this.imageProjection.forward(image)));
    const product = tf.mul(tf.expandDims(t, 2), tf.expandDims(i, 1)); // [batch, dim + 1, dim + 1]
    const z = tf.reshape<tf.Rank.R2>(product, [-1, this.first.inFeatures]);
    return this.second.forward(dropout(relu(this.first.forward(z)), this.#dropout, context));
  }
}

/** A column of ones behind the others: [batch, size] to [batch, size + 1]. */
export function withOne(x: tf.Tensor2D): tf.Tensor2D {
  return tf.concat([x, tf.ones<tf.Rank.R2>([x.shape[0], 1])], 1);
}
