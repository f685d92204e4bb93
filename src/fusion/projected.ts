import type * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { relu } from '../nn/activations.js';
import { dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { belowOne, integer } from '../schema.js';
import { Fusion } from './fusion.js';
import type { FusionContext, FusionSizes, OptionsOf } from './fusion.js';

/** Options of fusions with a hidden vector: its length (default: the model's hiddenSize), and its dropout. */
export const hiddenOptions = v.strictObject({
  dim: v.optional(integer(1)),
  dropout: v.optional(belowOne, 0),
});

/** Two features projected to one width, with a ReLU each, joined element by element, and classified by `fc`. */
export abstract class ProjectedFusion extends Fusion {
  static readonly options = hiddenOptions;
  readonly textProjection: Linear;
  readonly imageProjection: Linear;
  readonly fc: Linear;
  readonly #dropout: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof hiddenOptions>) {
    super(config, sizes, scope);
    const { textSize, imageSize, classes } = sizes;
    const { dim = sizes.hiddenSize } = config;
    this.textProjection = this.child('text_proj', (inner) => new Linear(textSize, dim, inner));
    this.imageProjection = this.child('image_proj', (inner) => new Linear(imageSize, dim, inner));
    this.fc = this.child('fc', (inner) => new Linear(dim, classes, inner));
    this.#dropout = config.dropout;
  }

  /** One vector of two, [batch, dim] each. */
  protected abstract join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D;

  protected override both(
    text: tf.Tensor2D,
    image: tf.Tensor2D,
    context: FusionContext,
  ): tf.Tensor2D {
    const t = relu(this.textProjection.forward(text));
    const i = relu(this.imageProjection.forward(image));
    return this.fc.forward(dropout(this.join(t, i), this.#dropout, context));
  }
}
