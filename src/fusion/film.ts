import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { relu } from '../nn/activations.js';
import { dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { Fusion } from './fusion.js';
import type { FusionContext, FusionSizes, OptionsOf } from './fusion.js';
import { hiddenOptions } from './projected.js';

const options = v.strictObject({
  ...hiddenOptions.entries,
  condition: v.optional(v.picklist(['text', 'image']), 'text'),
});

/**
 * Feature-wise linear modulation (FiLM, Perez et al. 2018): the feature c of one modality, the `condition`, scales
 * and shifts each element of the other's, x.
 *
 *     [g; b] = F c, h = relu((1 + g) * (U x) + b)
 *
 * Parameters `film` (F), `proj` (U), and `fc` on h.
 */
export class FilmFusion extends Fusion {
  static readonly options = options;
  readonly film: Linear;
  readonly projection: Linear;
  readonly fc: Linear;
  readonly #condition: 'text' | 'image';
  readonly #dropout: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    super(config, sizes, scope);
    const { condition, dim = sizes.hiddenSize } = config;
    const { textSize, imageSize, classes } = sizes;
    const [given, other] = condition === 'text' ? [textSize, imageSize] : [imageSize, textSize];
    this.film = this.child('film', (inner) => new Linear(given, 2 * dim, inner));
    this.projection = this.child('proj', (inner) => new Linear(other, dim, inner));
    this.fc = this.child('fc', (inner) => new Linear(dim, classes, inner));
    this.#condition = condition;
    this.#dropout = config.dropout;
  }

  protected override both(
    text: tf.Tensor2D,
    image: tf.Tensor2D,
    context: FusionContext,
  ): tf.Tensor2D {
    const [given, other] = this.#condition === 'text' ? [text, image] : [image, text];
    const [scale, shift] = tf.split(this.film.forward(given), 2, 1); // [batch, dim] each
    const x = this.projection.forward(other);
    const h = relu(tf.add<tf.Tensor2D>(tf.mul(x, tf.add(scale!, 1)), shift!));
    return this.fc.forward(dropout(h, this.#dropout, context));
  }
}
