import * as tf from '@tensorflow/tfjs-core';
import type { Features } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import { detached, differentiable } from '../nn/ops.js';
import { Random } from '../nn/random.js';

/** How the encoder that is ahead is slowed down (OGM-GE; Peng et al., 2022). */
export interface ModulationOptions {
  /** How strongly, above 0 (default 0.3). */
  readonly alpha: number;
  /** Whether noise of the gradient's own size is added to it (default true). */
  readonly noise: boolean;
}

/** The vectors of a text and a picture, [rows, features] each. */
type Pooled = Required<Pick<Features, 'text' | 'image'>>;

/** What the modulation of a batch rests on. */
export interface ModulationInputs {
  /** One in the class of each row, else zero: [rows, classes]. */
  readonly classes: tf.Tensor2D;
  /** One for the rows with both inputs, else zero: [rows, 1]. */
  readonly complete: tf.Tensor2D;
  /** Names the random stream of the noise. */
  readonly key: readonly (number | string)[];
}

/** What the gradient of each encoder is multiplied by: scalars from 0 to 1, one of them 1. */
export interface Coefficients {
  readonly text: tf.Tensor;
  readonly image: tf.Tensor;
}

/**
 * On-the-fly gradient modulation with generalization enhancement (OGM-GE; Peng et al., 2022): features whose gradient is
 * smaller where their modality is ahead. How far it is ahead is the ratio of the sums over the rows of the probability
 * that each single-mode head gives to the right class; the gradient of the one that is ahead is multiplied by
 * 1 - tanh(alpha ratio).
 *
 * A gradient passes an encoder linearly, so it is scaled where it enters: at the features. There the noise is added as
 * well, where the paper adds it to the gradient of each parameter.
 */
export function modulate(
  model: BertResNetModel,
  features: Pooled,
  inputs: ModulationInputs,
  { alpha, noise }: ModulationOptions,
): Pooled {
  const coefficients = modulationCoefficients(model, features, inputs, alpha);
  const scaled = (input: 'text' | 'image'): tf.Tensor2D => {
    const factors = noise ? normals(features[input].shape, ...inputs.key, input) : undefined;
    return withGradient(features[input], coefficients[input], factors);
  };
  return { text: scaled('text'), image: scaled('image') };
}

/** The coefficients of a batch, from the heads as they are; nothing is read. */
export function modulationCoefficients(
  model: BertResNetModel,
  features: Pooled,
  { classes, complete }: Pick<ModulationInputs, 'classes' | 'complete'>,
  alpha: number,
): Coefficients {
  const score = (mode: 'text' | 'image'): tf.Tensor =>
    detached(() => {
      const probabilities = tf.softmax(model.classify(features, { mode }));
      return tf.sum(tf.mul(tf.mul(probabilities, classes), complete));
    });
  const [text, image] = [score('text'), score('image')];
  const coefficient = (own: tf.Tensor, other: tf.Tensor): tf.Tensor =>
    detached(() => {
      const ratio = tf.div(own, tf.maximum(other, 1e-12));
      const slowed = tf.sub(1, tf.tanh(tf.mul(ratio, alpha)));
      return tf.where(tf.greater(ratio, 1), slowed, tf.onesLike(slowed));
    });
  return { text: coefficient(text, image), image: coefficient(image, text) };
}

/** The same values, with a gradient of `factor` times dy, and with noise of dy's own deviation. */
function withGradient(x: tf.Tensor2D, factor: tf.Tensor, noise?: tf.Tensor): tf.Tensor2D {
  return differentiable([x], (save) => {
    save([factor, ...(noise === undefined ? [] : [noise])]);
    return {
      value: tf.clone(x),
      gradient: (dy, [by, normal]) => {
        const scaled = tf.mul(dy, by!);
        return [normal === undefined ? scaled : tf.add(scaled, tf.mul(normal, deviation(dy)))];
      },
    };
  });
}

function deviation(x: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.mean(tf.square(tf.sub(x, tf.mean(x)))));
}

function normals(
  shape: readonly [number, number],
  ...key: readonly (number | string)[]
): tf.Tensor2D {
  const random = new Random(...key);
  const values = Float32Array.from({ length: shape[0] * shape[1] }, () => random.normal());
  return tf.tensor2d(values, [...shape]);
}
