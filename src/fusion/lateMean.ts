import * as tf from '@tensorflow/tfjs-core';
import type { Scope } from '../nn/module.js';
import { Fusion, noOptions } from './fusion.js';
import type { FusionConfig, FusionSizes } from './fusion.js';

/**
 * Late fusion by the mean of the probabilities of the single modes (the sum rule, Kittler et al. 1998): an answer of
 * which one modality is sure cannot be vetoed by the other.
 *
 *     p = (softmax(l_t) + softmax(l_i)) / 2, logits = log p
 *
 * It has no parameters of its own.
 */
export class LateMeanFusion extends Fusion {
  static readonly options = noOptions;

  constructor(sizes: FusionSizes, scope: Scope, config: FusionConfig) {
    super(config, sizes, scope);
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const heads = [this.mlpText.forward(text), this.mlpImage.forward(image)];
    const logs = tf.stack(heads.map((logits) => tf.logSoftmax(logits))); // [2, batch, classes]
    return tf.sub(tf.logSumExp(logs, 0) as tf.Tensor2D, Math.LN2);
  }
}
