import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { integer } from '../schema.js';
import { BilinearFusion, bilinearOptions, sumRanks } from './bilinear.js';
import type { FusionSizes, OptionsOf } from './fusion.js';
import { powerNormal } from './powerNormal.js';

const options = v.strictObject({
  ...bilinearOptions,
  rank: v.optional(integer(1), 15),
  normalize: v.optional(v.boolean(), false),
});

/**
 * Multimodal Tucker fusion (MUTAN, Ben-younes et al. 2017): a bilinear form whose core tensor is a sum of `rank` (R)
 * slices of rank one.
 *
 *     z = sum_r (M_r U t) * (N_r V i), power-normalised where `normalize`; logits = P z
 *
 * Parameters `linear0` (U) and `linear1` (V) to dim, `merge_linear0` (M) and `merge_linear1` (N) to dim * rank,
 * `linear_out` (P).
 */
export class MutanFusion extends BilinearFusion {
  static readonly options = options;
  readonly linear0: Linear;
  readonly linear1: Linear;
  readonly mergeLinear0: Linear;
  readonly mergeLinear1: Linear;
  readonly #config: OptionsOf<typeof options>;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    const { rank, dim = sizes.hiddenSize } = config;
    super(sizes, scope, config, dim);
    this.linear0 = this.child('linear0', (inner) => new Linear(sizes.textSize, dim, inner));
    this.linear1 = this.child('linear1', (inner) => new Linear(sizes.imageSize, dim, inner));
    const merge = (inner: Scope): Linear => new Linear(dim, dim * rank, inner);
    this.mergeLinear0 = this.child('merge_linear0', merge);
    this.mergeLinear1 = this.child('merge_linear1', merge);
    this.#config = config;
  }

  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const { rank, normalize } = this.#config;
    const t = this.mergeLinear0.forward(this.linear0.forward(text)); // [batch, rank * dim]
    const i = this.mergeLinear1.forward(this.linear1.forward(image));
    const z = sumRanks(tf.mul(t, i), rank);
    return normalize ? powerNormal(z) : z;
  }
}
