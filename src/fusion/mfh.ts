import * as tf from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { bilinearActivation, BilinearFusion, sumPool } from './bilinear.js';
import type { FusionSizes, OptionsOf } from './fusion.js';
import { factorizedOptions } from './mfb.js';
import { powerNormal } from './powerNormal.js';

/**
 * Generalized factorized high-order pooling (MFH, Yu et al. 2018): two MFB blocks, the products of the first going
 * into those of the second, and both results joined.
 *
 *     e_0 = f(U_0 t) * f(V_0 i), e_1 = f(U_1 t) * f(V_1 i) * e_0
 *     z = [SumPool_k(e_0); SumPool_k(e_1)], each power-normalised where `normalize`; logits = P z
 *
 * Parameters `linear0_0` (U_0), `linear1_0` (V_0), `linear0_1`, `linear1_1` to dim * factor, `linear_out` (P) of 2 dim.
 */
export class MfhFusion extends BilinearFusion {
  static readonly options = factorizedOptions;
  /** Of each block: the text's and the picture's projection. */
  readonly blocks: readonly (readonly [Linear, Linear])[];
  readonly #config: OptionsOf<typeof factorizedOptions>;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof factorizedOptions>) {
    const { factor, dim = sizes.hiddenSize } = config;
    super(sizes, scope, config, 2 * dim);
    const { textSize, imageSize } = sizes;
    this.blocks = [0, 1].map((i) => [
      this.child(`linear0_${i}`, (inner) => new Linear(textSize, dim * factor, inner)),
      this.child(`linear1_${i}`, (inner) => new Linear(imageSize, dim * factor, inner)),
    ]);
    this.#config = config;
  }

  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const { factor, activation, normalize } = this.#config;
    const f = bilinearActivation(activation);
    const [first, second] = this.blocks.map(([ofText, ofImage]): tf.Tensor2D =>
      tf.mul(f(ofText.forward(text)), f(ofImage.forward(image))),
    ) as [tf.Tensor2D, tf.Tensor2D];
    const pooled = [first, tf.mul<tf.Tensor2D>(second, first)].map((e) => sumPool(e, factor));
    return tf.concat(normalize ? pooled.map(powerNormal) : pooled, 1); // [batch, 2 dim]
  }
}
