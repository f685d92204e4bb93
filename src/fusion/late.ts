import * as tf from '@tensorflow/tfjs-core';
import { Fusion, noOptions } from './fusion.js';
import type { FusionSizes } from './fusion.js';
import type { Scope } from '../nn/module.js';

/**
 * Late fusion: the heads of the single modes vote, and their logits are added (a product of experts, Hinton
 * 2002). It has no parameters of its own, so that few rows cannot teach it to trust one modality blindly, and it
 * sees no text and picture together: over frozen encoders other fusions were better (docs/fusions.md).
 */
export class LateFusion extends Fusion {
  static readonly options = noOptions;

  constructor(sizes: FusionSizes, scope: Scope = {}) {
    super({ type: 'late' }, sizes, scope);
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return tf.add(this.mlpText.forward(text), this.mlpImage.forward(image)); // [batch, classes]
  }
}
