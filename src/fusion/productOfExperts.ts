import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { InputError } from '../errors.js';
import type { Scope } from '../nn/module.js';
import { Fusion } from './fusion.js';
import type { FusionSizes, OptionsOf } from './fusion.js';

const options = v.strictObject({
  prior: v.optional(v.array(v.pipe(v.number(), v.finite(), v.gtValue(0)))),
});

/**
 * Late fusion by the renormalised product of the probabilities of the single modes (a product of experts, Hinton 2002;
 * the product rule, Kittler et al. 1998).
 *
 *     p = softmax(l_t) * softmax(l_i) / prior / sum, logits = log p
 *
 * Without a `prior` its probabilities are those of `late`, whose logits differ by a number for each row; with one, the
 * share of each class among the rows in the order of the labels, they are Bayes' where text and picture depend on each
 * other through the class alone: each of the heads has counted the prior once. It has no parameters of its own.
 */
export class ProductOfExpertsFusion extends Fusion {
  static readonly options = options;
  readonly #logPrior: readonly number[] | undefined;

  /** @throws InputError unless the prior has a number for each class. */
  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    const { prior } = config;
    if (prior !== undefined && prior.length !== sizes.classes) {
      throw new InputError(
        `fusion 'product-of-experts': prior must have a number for each of ${sizes.classes} classes, got ` +
          `${prior.length}; pass the share of each class in the order of the labels`,
      );
    }
    super(config, sizes, scope);
    this.#logPrior = prior?.map(Math.log);
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const product: tf.Tensor2D = tf.add(this.mlpText.forward(text), this.mlpImage.forward(image));
    if (this.#logPrior === undefined) return tf.logSoftmax(product);
    return tf.logSoftmax(tf.sub<tf.Tensor2D>(product, tf.tensor1d([...this.#logPrior])));
  }
}
