import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { integer } from '../schema.js';
import {
  activationOption,
  bilinearActivation,
  BilinearFusion,
  bilinearOptions,
  sumPool,
} from './bilinear.js';
import type { FusionSizes, OptionsOf } from './fusion.js';
import { powerNormal } from './powerNormal.js';

/** The options of MFB and MFH. */
export const factorizedOptions = v.strictObject({
  ...bilinearOptions,
  factor: v.optional(integer(1), 5),
  activation: v.optional(activationOption, 'none'),
  normalize: v.optional(v.boolean(), true),
});

/**
 * Multi-modal factorized bilinear pooling (MFB, Yu et al. 2017): each element of z is the sum of `factor` (k) products.
 *
 *     z = SumPool_k(f(U t) * f(V i)), power-normalised where `normalize`; logits = P z
 *
 * Parameters `linear0` (U) and `linear1` (V) to dim * factor, `linear_out` (P).
 */
export class MfbFusion extends BilinearFusion {
  static readonly options = factorizedOptions;
  readonly linear0: Linear;
  readonly linear1: Linear;
  readonly #config: OptionsOf<typeof factorizedOptions>;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof factorizedOptions>) {
    const { factor, dim = sizes.hiddenSize } = config;
    super(sizes, scope, config, dim);
    const { textSize, imageSize } = sizes;
    this.linear0 = this.child('linear0', (inner) => new Linear(textSize, dim * factor, inner));
    this.linear1 = this.child('linear1', (inner) => new Linear(imageSize, dim * factor, inner));
    this.#config = config;
  }

  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const { factor, activation, normalize } = this.#config;
    const f = bilinearActivation(activation);
    const products = tf.mul(f(this.linear0.forward(text)), f(this.linear1.forward(image)));
    const z = sumPool(products as tf.Tensor2D, factor);
    return normalize ? powerNormal(z) : z;
  }
}
