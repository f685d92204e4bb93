import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import {
  activationOption,
  bilinearActivation,
  BilinearFusion,
  bilinearOptions,
} from './bilinear.js';
import type { FusionSizes, OptionsOf } from './fusion.js';
import { powerNormal } from './powerNormal.js';

const options = v.strictObject({
  ...bilinearOptions,
  activation: v.optional(activationOption, 'tanh'),
  normalize: v.optional(v.boolean(), false),
});

/**
 * Low-rank bilinear pooling (MLB, Kim et al. 2017), the Hadamard product of two projections:
 *
 *     z = f(U t) * f(V i), logits = P z
 *
 * with f the `activation`, and z power-normalised where `normalize`. Parameters `linear0` (U), `linear1` (V), `linear_out` (P).
 */
export class MlbFusion extends BilinearFusion {
  static readonly options = options;
  readonly linear0: Linear;
  readonly linear1: Linear;
  readonly #config: OptionsOf<typeof options>;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    const { dim = sizes.hiddenSize } = config;
    super(sizes, scope, config, dim);
    this.linear0 = this.child('linear0', (inner) => new Linear(sizes.textSize, dim, inner));
    this.linear1 = this.child('linear1', (inner) => new Linear(sizes.imageSize, dim, inner));
    this.#config = config;
  }

  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const { activation, normalize } = this.#config;
    const f = bilinearActivation(activation);
    const z: tf.Tensor2D = tf.mul(f(this.linear0.forward(text)), f(this.linear1.forward(image)));
    return normalize ? powerNormal(z) : z;
  }
}
