import * as tf from '@tensorflow/tfjs-core';
import type { FeatureExtractors, ImageExtractor, TextExtractor } from './datasets/features.js';
import { bertConfig } from './encoders/bertConfig.js';
import { requireInteger } from './encoders/config.js';
import type { ImageEncoder, TextEncoder, TextInput } from './encoders/encoder.js';
import { resNetConfig } from './encoders/resnetConfig.js';
import { InputError } from './errors.js';
import { Fusion, modes } from './fusion/fusion.js';
import type { Features, FusionNeeds, FusionSizes, Mode, TextLayers } from './fusion/fusion.js';
import { checkFusion } from './fusion/index.js';
import type { CreateOptions, ModelInput, ModelOptions } from './modelOptions.js';
import type { ForwardContext } from './nn/dropout.js';
import { Module } from './nn/module.js';
import { detached } from './nn/ops.js';
import { refuseUnknown } from './schema.js';

/** The names of the classes where none are given. */
export const defaultLabels: readonly string[] = ['0', '1'];

/** What a model is made of, by name. */
const created = {
  labels: true,
  text: true,
  image: true,
  fusion: true,
  hiddenSize: true,
  maxLength: true,
  trainedMode: true,
  tokenizer: true,
  processor: true,
  seed: true,
  calibration: true,
} as const;

/** The options of a model. */
const modelOptions = { ...created, initialize: true } as const satisfies Record<
  keyof ModelOptions,
  true
>;

/** The options of a model on pretrained encoders. */
export const createOptions = {
  ...created,
  pooling: true,
  token: true,
  cacheDir: true,
  fetch: true,
  hubUrl: true,
  onProgress: true,
} as const satisfies Record<keyof CreateOptions, true>;

/**
 * Refuses options before anything is made of them.
 *
 * @param known the names that options may have
 * @throws InputError naming the one that cannot be used
 */
export function checkOptions(
  options: ModelOptions,
  known: Readonly<Record<string, true>> = modelOptions,
): void {
  refuseUnknown('BertResNetModel', options, known);
  const { labels, text, image, fusion, hiddenSize, trainedMode, seed } = options;
  if (labels !== undefined) checkLabels(labels);
  if (hiddenSize !== undefined) requireInteger('BertResNetModel', 'hiddenSize', hiddenSize);
  if (seed !== undefined) requireInteger('BertResNetModel', 'seed', seed, 0);
  if (trainedMode !== undefined && !['text', 'image'].includes(trainedMode)) {
    throw new InputError(
      `BertResNetModel: trainedMode must be 'text' or 'image', got ${JSON.stringify(trainedMode)}`,
    );
  }
  if (text !== undefined && !(text instanceof Module)) bertConfig(text);
  if (image !== undefined && !(image instanceof Module)) resNetConfig(image);
  if (fusion !== undefined && !(fusion instanceof Fusion)) checkFusion(fusion);
}

/** The encoders that read rows as they are, outside of TensorFlow.js. */
export function extractorsOf(text: TextEncoder, image: ImageEncoder): FeatureExtractors {
  return {
    ...(text.extractTexts && { text: text as TextExtractor }),
    ...(image.extractImages && { image: image as ImageExtractor }),
  };
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

/** What a fusion may rest on: the lengths of features, and the widths of sequences where the encoders give them. */
export function sizesOf(
  text: TextEncoder,
  image: ImageEncoder,
  { hiddenSize, classes }: Pick<FusionSizes, 'hiddenSize' | 'classes'>,
): FusionSizes {
  const [tokenSize, regionSize] = [text, image].map((encoder) =>
    encoder.sequence && encoder.poolSequence ? encoder.sequenceSize : undefined,
  );
  const layered = text.embedText && text.embedVectors && text.runLayers;
  return {
    ...{ textSize: text.featureSize, imageSize: image.featureSize, hiddenSize, classes },
    ...{ tokenSize, regionSize, layerSize: layered ? text.sequenceSize : undefined },
  };
}

/**
 * The features of texts, and what else of them a fusion needs. A frozen encoder evaluates, and nothing flows back into
 * it.
 */
export function encodeText(
  encoder: TextEncoder,
  text: TextInput,
  context: ForwardContext,
  needs: FusionNeeds,
): Features {
  const { attentionMask: textMask } = text;
  if (needs === 'sequences') {
    const textTokens = run(encoder, context, (inner) => encoder.sequence!(text, inner));
    return {
      text: checked(encoder, encoder.poolSequence!(textTokens, text)),
      textTokens,
      textMask,
    };
  }
  const pooled = run(encoder, context, (inner) => encoder.forward(text, inner));
  const features = { text: checked(encoder, pooled) };
  if (needs === 'pooled') return features;
  const textEmbeddings = run(encoder, context, (inner) => encoder.embedText!(text, inner));
  return { ...features, textEmbeddings, textMask };
}

/** The features of pictures, and what else of them a fusion needs; a map is flattened as PyTorch flattens it. */
export function encodeImage(
  encoder: ImageEncoder,
  image: tf.Tensor4D,
  context: ForwardContext,
  needs: FusionNeeds,
): Features {
  if (needs === 'pooled') {
    const pooled = run(encoder, context, (inner) => flatten(encoder.forward(image, inner)));
    return { image: checked(encoder, pooled) };
  }
  const imageRegions = run(encoder, context, (inner) => encoder.sequence!(image, inner));
  return { image: checked(encoder, encoder.poolSequence!(imageRegions, image)), imageRegions };
}

/** The layers of a text encoder for a fusion that runs other vectors through them; frozen, they evaluate. */
export function lendLayers(encoder: TextEncoder): TextLayers {
  const within = (context: ForwardContext): ForwardContext =>
    encoder.frozen ? { training: false } : context;
  return {
    embed: (vectors, context) => encoder.embedVectors!(vectors, within(context)),
    run: (embedded, mask, context) => encoder.runLayers!(embedded, mask, within(context)),
  };
}

function run<T extends tf.Tensor>(
  encoder: TextEncoder | ImageEncoder,
  context: ForwardContext,
  forward: (context: ForwardContext) => T,
): T {
  return encoder.frozen
    ? detached(() => forward({ training: false }))
    : tf.tidy(() => forward(context));
}

function checked({ featureSize }: TextEncoder | ImageEncoder, features: tf.Tensor2D): tf.Tensor2D {
  if (features.shape[1] === featureSize) return features;
  throw new InputError(
    `BertResNetModel: the encoder must give ${featureSize} features a row, got ` +
      `${features.shape[1]}; resize the pictures to the encoder's imageSize, or stop at 'avgpool'`,
  );
}

/** [batch, height, width, channels] to [batch, channels * height * width], in that order; a vector stays. */
export function flatten(features: tf.Tensor2D | tf.Tensor4D): tf.Tensor2D {
  if (features.rank === 2) return features as tf.Tensor2D;
  const channelsFirst = tf.transpose(features, [0, 3, 1, 2]);
  return tf.reshape(channelsFirst, [features.shape[0], -1]);
}
