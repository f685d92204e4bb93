import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { relu } from '../nn/activations.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { atLeast } from '../schema.js';
import type { FusionSizes, OptionsOf } from './fusion.js';
import { MlpFusion } from './mlp.js';

const options = v.strictObject({ ratio: v.optional(atLeast(1), 4) });

/**
 * Multimodal transfer module (MMTM, Joze et al. 2020), squeeze and excitation across modalities: what both features
 * say together recalibrates each, element by element, and both go through `mlp_both`.
 *
 *     s = relu(S [i; t]), i' = sigmoid(E_i s) * i, t' = sigmoid(E_t s) * t
 *
 * s has 2 (textSize + imageSize) / `ratio` elements. Parameters `fc_squeeze` (S), `fc_visual` (E_i), `fc_text` (E_t,
 * in place of the paper's second modality, `fc_skeleton`).
 */
export class SqueezeExcitationFusion extends MlpFusion {
  static override readonly options = options;
  readonly squeeze: Linear;
  readonly exciteImage: Linear;
  readonly exciteText: Linear;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    super(sizes, scope, config);
    const { textSize, imageSize } = sizes;
    const joined = textSize + imageSize;
    const squeezed = Math.max(1, Math.floor((2 * joined) / config.ratio));
    this.squeeze = this.child('fc_squeeze', (inner) => new Linear(joined, squeezed, inner));
    this.exciteImage = this.child('fc_visual', (inner) => new Linear(squeezed, imageSize, inner));
    this.exciteText = this.child('fc_text', (inner) => new Linear(squeezed, textSize, inner));
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const s = relu(this.squeeze.forward(tf.concat([image, text], 1))); // [batch, squeezed]
    const i: tf.Tensor2D = tf.mul(tf.sigmoid(this.exciteImage.forward(s)), image);
    const t: tf.Tensor2D = tf.mul(tf.sigmoid(this.exciteText.forward(s)), text);
    return super.both(t, i);
  }
}
