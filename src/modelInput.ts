import * as tf from '@tensorflow/tfjs-core';
import { bertConfig } from './encoders/bertConfig.js';
import { requireInteger } from './encoders/config.js';
import type { ImageEncoder, TextEncoder, TextInput } from './encoders/encoder.js';
import { resNetConfig } from './encoders/resnetConfig.js';
import { InputError } from './errors.js';
import { Fusion, modes } from './fusion/fusion.js';
import type { Mode } from './fusion/fusion.js';
import { checkFusion } from './fusion/index.js';
import type { ModelInput, ModelOptions } from './modelOptions.js';
import type { ForwardContext } from './nn/dropout.js';
import { Module } from './nn/module.js';
import { detached } from './nn/ops.js';

/** The names of the classes where none are given. */
export const defaultLabels: readonly string[] = ['0', '1'];

/** Refuses options before anything is made of them. @throws InputError naming the one that cannot be used */
export function checkOptions({ labels, text, image, fusion, hiddenSize }: ModelOptions): void {
  if (labels !== undefined) checkLabels(labels);
  if (hiddenSize !== undefined) requireInteger('BertResNetModel', 'hiddenSize', hiddenSize);
  if (text !== undefined && !(text instanceof Module)) bertConfig(text);
  if (image !== undefined && !(image instanceof Module)) resNetConfig(image);
  if (fusion !== undefined && !(fusion instanceof Fusion)) checkFusion(fusion);
}

/** There must be at least two labels, each a text of its own. */
function checkLabels(labels: readonly string[]): void {
  const wrong = (came: string): InputError =>
    new InputError(
      `BertResNetModel: labels must be at least 2 different, non-empty strings, got ${came}`,
    );
  if (!Array.isArray(labels) || labels.length < 2) throw wrong(JSON.stringify(labels));
  const unfit = labels.find((label) => typeof label !== 'string' || label === '');
  if (unfit !== undefined) throw wrong(JSON.stringify(unfit));
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw wrong(`${JSON.stringify(twice)} twice`);
}

/**
 * The mode that was asked for, else the one that the inputs allow.
 *
 * @throws InputError where the mode is unknown, or an input that it needs is missing.
 */
export function chooseMode(given: { text?: unknown; image?: unknown }, asked?: Mode): Mode {
  const has = (input: 'text' | 'image'): boolean => (given[input] ?? undefined) !== undefined; // JavaScript callers may pass null
  if (asked === undefined) {
    if (has('text')) return has('image') ? 'both' : 'text';
    if (has('image')) return 'image';
    throw new InputError('BertResNetModel: text, image or both must be given, got neither');
  }
  if (!modes.includes(asked)) {
    throw new InputError(
      `BertResNetModel: unknown mode '${asked}'; the modes are ${modes.join(', ')}`,
    );
  }
  const needed = asked === 'both' ? (['text', 'image'] as const) : ([asked] as const);
  const missing = needed.filter((input) => !has(input));
  if (missing.length === 0) return asked;
  throw new InputError(
    `BertResNetModel: mode '${asked}' needs ${needed.join(' and ')}, got no ${missing.join(' and no ')}`,
  );
}

/** @throws InputError where a text and a picture are not of the same rows. */
export function checkRows({ text, image }: ModelInput): void {
  const [texts, images] = [text?.inputIds?.shape?.[0], image?.shape?.[0]];
  if (texts === undefined || images === undefined || texts === images) return;
  throw new InputError(
    `BertResNetModel: text and image must have the same number of rows, got ${texts} and ${images}`,
  );
}

/** The features of texts. A frozen encoder evaluates, and nothing flows back into it. */
export function encodeText(
  encoder: TextEncoder,
  text: TextInput,
  context: ForwardContext,
): tf.Tensor2D {
  return run(encoder, context, (inner) => encoder.forward(text, inner));
}

/** The features of pictures; a map is flattened as PyTorch flattens it. */
export function encodeImage(
  encoder: ImageEncoder,
  image: tf.Tensor4D,
  context: ForwardContext,
): tf.Tensor2D {
  return run(encoder, context, (inner) => flatten(encoder.forward(image, inner)));
}

function run<E extends TextEncoder | ImageEncoder>(
  encoder: E,
  context: ForwardContext,
  forward: (context: ForwardContext) => tf.Tensor2D,
): tf.Tensor2D {
  const features = encoder.frozen
    ? detached(() => forward({ training: false }))
    : tf.tidy(() => forward(context));
  if (features.shape[1] === encoder.featureSize) return features;
  throw new InputError(
    `BertResNetModel: the encoder must give ${encoder.featureSize} features a row, got ` +
      `${features.shape[1]}; resize the pictures to the encoder's imageSize, or stop at 'avgpool'`,
  );
}

/** [batch, height, width, channels] to [batch, channels * height * width], in that order; a vector stays. */
export function flatten(features: tf.Tensor2D | tf.Tensor4D): tf.Tensor2D {
  if (features.rank === 2) return features as tf.Tensor2D;
  const channelsFirst = tf.transpose(features, [0, 3, 1, 2]);
  return tf.reshape(channelsFirst, [features.shape[0], -1]);
}
