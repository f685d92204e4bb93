import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { dropout } from '../nn/dropout.js';
import type { Initializer } from '../nn/initializers.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { Fusion } from './fusion.js';
import type { FusionContext, FusionSizes, OptionsOf } from './fusion.js';
import { TwoInputMLP } from './mlp.js';
import { hiddenOptions } from './projected.js';

const options = v.strictObject({
  ...hiddenOptions.entries,
  base: v.optional(v.picklist(['text', 'image']), 'image'),
});

/** The weights of gate and residual at first, as in the authors' code. */
const firstShares: Initializer = (values) => void values.set([1, 10]);

/**
 * Text-image residual gating (TIRG, Vo et al. 2019): the feature x of one modality, the `base`, passes a gate,
 * and what both features say is added to it.
 *
 *     h = a_0 sigmoid(gate(t, i)) * x + a_1 residual(t, i)
 *
 * Gate and residual are networks of two layers (`gated_feature_composer`, `res_info_composer`: `fc1`, `fc2`) of
 * width `dim`, without the batch normalisation of the authors' code, `a` is [2], and `fc` classifies h.
 */
export class GatedResidualFusion extends Fusion {
  static readonly options = options;
  readonly gate: TwoInputMLP;
  readonly residual: TwoInputMLP;
  readonly shares: tf.Variable;
  readonly fc: Linear;
  readonly #base: 'text' | 'image';
  readonly #dropout: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    super(config, sizes, scope);
    const { textSize, imageSize, classes } = sizes;
    const { base, dim = sizes.hiddenSize } = config;
    const size = base === 'text' ? textSize : imageSize;
    const network = (inner: Scope): TwoInputMLP =>
      new TwoInputMLP(textSize, imageSize, dim, size, inner);
    this.gate = this.child('gated_feature_composer', network);
    this.residual = this.child('res_info_composer', network);
    this.shares = this.parameter('a', [2], firstShares);
    this.fc = this.child('fc', (inner) => new Linear(size, classes, inner));
    this.#base = base;
    this.#dropout = config.dropout;
  }

  protected override both(
    text: tf.Tensor2D,
    image: tf.Tensor2D,
    context: FusionContext,
  ): tf.Tensor2D {
    const x = this.#base === 'text' ? text : image;
    const [ofGate, ofResidual] = tf.split(this.shares as tf.Tensor1D, 2); // [1] each
    const gated = tf.mul(tf.sigmoid(this.gate.forward(text, image)), x);
    const residual = this.residual.forward(text, image);
    const h: tf.Tensor2D = tf.add(tf.mul(gated, ofGate!), tf.mul(residual, ofResidual!));
    return this.fc.forward(dropout(h, this.#dropout, context));
  }
}
