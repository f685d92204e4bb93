import * as tf from '@tensorflow/tfjs-core';
import { constant } from '../nn/initializers.js';
import type { Scope } from '../nn/module.js';
import { Fusion, noOptions } from './fusion.js';
import type { FusionConfig, FusionSizes } from './fusion.js';

/**
 * Late fusion by learned weights (stacking, Wolpert 1992): the logits of the single modes, each class of each modality
 * weighed by a number of its own, are added.
 *
 *     logits = w_t * l_t + w_i * l_i
 *
 * `late_weights` is [2, classes], the text's first; all are 1 at first, as in `late`.
 */
export class LateLearnedFusion extends Fusion {
  static readonly options = noOptions;
  readonly weights: tf.Variable;

  constructor(sizes: FusionSizes, scope: Scope, config: FusionConfig) {
    super(config, sizes, scope);
    this.weights = this.parameter('late_weights', [2, sizes.classes], constant(1));
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const [ofText, ofImage] = tf.split(this.weights as tf.Tensor2D, 2); // [1, classes] each
    const fromText = tf.mul(this.mlpText.forward(text), ofText!);
    return tf.add(fromText, tf.mul(this.mlpImage.forward(image), ofImage!));
  }
}
