import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { relu } from '../nn/activations.js';
import { dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { Fusion } from './fusion.js';
import type { FusionConfig, FusionContext, FusionSizes } from './fusion.js';
import { hiddenOptions } from './projected.js';

const activations = {
  none: (x: tf.Tensor2D): tf.Tensor2D => x,
  relu: (x: tf.Tensor2D): tf.Tensor2D => relu(x),
  tanh: (x: tf.Tensor2D): tf.Tensor2D => tf.tanh(x),
};

/** What projections pass before they are multiplied. */
export const activationOption = v.picklist(['none', 'relu', 'tanh']);

/** The names of `activations`. */
export type BilinearActivation = v.InferOutput<typeof activationOption>;

/** The function of that name. */
export function bilinearActivation(name: BilinearActivation): (x: tf.Tensor2D) => tf.Tensor2D {
  return activations[name];
}

/** Options that all bilinear fusions have: `mm_dim` of block.bootstrap.pytorch, and dropout before `linear_out`. */
export const bilinearOptions = hiddenOptions.entries;

/**
 * Bilinear fusions: a vector z [batch, dim] whose elements are sums of products of an element of the text's and one
 * of the picture's feature, and a linear layer `linear_out` on it. The names are those of block.bootstrap.pytorch,
 * whose first input is the text here and whose output are the classes.
 */
export abstract class BilinearFusion extends Fusion {
  readonly linearOut: Linear;
  readonly #dropout: number;

  /** @param size the length of z */
  constructor(
    sizes: FusionSizes,
    scope: Scope,
    config: FusionConfig & { readonly dropout: number },
    size: number,
  ) {
    super(config, sizes, scope);
    this.linearOut = this.child('linear_out', (inner) => new Linear(size, sizes.classes, inner));
    this.#dropout = config.dropout;
  }

  /** z [batch, size]. */
  protected abstract join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D;

  protected override both(
    text: tf.Tensor2D,
    image: tf.Tensor2D,
    context: FusionContext,
  ): tf.Tensor2D {
    return this.linearOut.forward(dropout(this.join(text, image), this.#dropout, context));
  }
}

/** Sums of each `factor` neighbours: [batch, size * factor] to [batch, size]. */
export function sumPool(x: tf.Tensor2D, factor: number): tf.Tensor2D {
  const [batch, length] = x.shape;
  return tf.sum(tf.reshape(x, [batch, length / factor, factor]), 2);
}

/** Sums over `rank` vectors that stand one after the other: [batch, rank * size] to [batch, size]. */
export function sumRanks(x: tf.Tensor2D, rank: number): tf.Tensor2D {
  const [batch, length] = x.shape;
  return tf.sum(tf.reshape(x, [batch, rank, length / rank]), 1);
}
