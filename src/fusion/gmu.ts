import * as tf from '@tensorflow/tfjs-core';
import { dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { Fusion } from './fusion.js';
import type { FusionContext, FusionSizes, OptionsOf } from './fusion.js';
import { hiddenOptions } from './projected.js';

/**
 * Gated multimodal unit (Arevalo et al. 2017): a gate for each element says how much of it is the text's.
 *
 *     h_t = tanh(W_t t), h_i = tanh(W_i i), z = sigmoid(W_z [t; i]), h = z * h_t + (1 - z) * h_i
 *
 * Parameters `hidden1` (text), `hidden2` (image), `hidden_sigmoid`, each with a bias, and `fc` on h.
 */
export class GmuFusion extends Fusion {
  static readonly options = hiddenOptions;
  readonly hidden1: Linear;
  readonly hidden2: Linear;
  readonly hiddenSigmoid: Linear;
  readonly fc: Linear;
  readonly #dropout: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof hiddenOptions>) {
    super(config, sizes, scope);
    const { textSize, imageSize, classes } = sizes;
    const { dim = sizes.hiddenSize } = config;
    this.hidden1 = this.child('hidden1', (inner) => new Linear(textSize, dim, inner));
    this.hidden2 = this.child('hidden2', (inner) => new Linear(imageSize, dim, inner));
    this.hiddenSigmoid = this.child(
      'hidden_sigmoid',
      (inner) => new Linear(textSize + imageSize, dim, inner),
    );
    this.fc = this.child('fc', (inner) => new Linear(dim, classes, inner));
    this.#dropout = config.dropout;
  }

  protected override both(
    text: tf.Tensor2D,
    image: tf.Tensor2D,
    context: FusionContext,
  ): tf.Tensor2D {
    const t = tf.tanh(this.hidden1.forward(text));
    const i = tf.tanh(this.hidden2.forward(image));
    const z = tf.sigmoid(this.hiddenSigmoid.forward(tf.concat([text, image], 1))); // [batch, dim]
    const h: tf.Tensor2D = tf.add(tf.mul(z, t), tf.mul(tf.sub(1, z), i));
    return this.fc.forward(dropout(h, this.#dropout, context));
  }
}
