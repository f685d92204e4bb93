import * as tf from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import type { FusionConfig, FusionSizes } from './fusion.js';
import { MlpFusion } from './mlp.js';

/**
 * Weighs the modalities, row by row: each feature is scored by a linear layer (`attention_text`,
 * `attention_image`), the two scores pass a softmax, and the features, times their weights, go through
 * `mlp_both`. In a single mode the weight is 1.
 */
export class AttentionFusion extends MlpFusion {
  readonly attentionText: Linear;
  readonly attentionImage: Linear;

  constructor(sizes: FusionSizes, scope: Scope = {}, config: FusionConfig = { type: 'attention' }) {
    super(sizes, scope, config);
    this.attentionText = this.child(
      'attention_text',
      (inner) => new Linear(sizes.textSize, 1, inner),
    );
    this.attentionImage = this.child(
      'attention_image',
      (inner) => new Linear(sizes.imageSize, 1, inner),
    );
  }

  /** How much each modality counts: [batch, 2], text first, rows that sum to 1. */
  weights(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => {
      const scores = [this.attentionText.forward(text), this.attentionImage.forward(image)];
      return tf.softmax(tf.concat(scores, 1));
    });
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const [forText, forImage] = tf.split(this.weights(text, image), 2, 1); // [batch, 1] each
    return super.both(tf.mul(text, forText!), tf.mul(image, forImage!));
  }
}

/**
 * The notebook's attention as it was written: a softmax over the single score of each modality, which is
 * always 1, so that this equals `mlp` and its `attention_text` and `attention_image` never learn. Kept to
 * load and compare what was trained with it.
 */
export class OriginalAttentionFusion extends AttentionFusion {
  constructor(sizes: FusionSizes, scope: Scope = {}) {
    super(sizes, scope, { type: 'attention-original' });
  }

  /** Ones: each modality's softmax is over itself alone. */
  override weights(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => {
      const forText = tf.softmax(this.attentionText.forward(text));
      return tf.concat([forText, tf.softmax(this.attentionImage.forward(image))], 1);
    });
  }
}
