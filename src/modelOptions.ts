import type * as tf from '@tensorflow/tfjs-core';
import type { Calibration } from './calibration.js';
import type { ImageProcessor } from './datasets/image.js';
import type { BertTokenizer } from './datasets/tokenizer.js';
import type { BertConfig } from './encoders/bertConfig.js';
import type { EncoderConfig, ImageEncoder, TextEncoder, TextInput } from './encoders/encoder.js';
import type { ImagePooling, Pooling } from './encoders/pooling.js';
import type { ResNetConfig } from './encoders/resnetConfig.js';
import type { Fusion, FusionConfig, Mode, SingleMode } from './fusion/fusion.js';
import type { ForwardContext } from './nn/dropout.js';
import type { PretrainedOptions } from './weights/hub.js';

/** What a model is made of; everything has a default. */
export interface ModelOptions {
  /** The names of the classes, in the order of the logits (default ['0', '1']). */
  readonly labels?: readonly string[];
  /** A known size ('bert-base-uncased', the default), some of a `BertConfig`'s fields, or an encoder. */
  readonly text?: string | Partial<BertConfig> | TextEncoder;
  /** A known size ('resnet50', the default), some of a `ResNetConfig`'s fields, or an encoder. */
  readonly image?: string | Partial<ResNetConfig> | ImageEncoder;
  /** A registered name ('mlp', the default), `{ type, ...options }`, or a fusion. */
  readonly fusion?: string | FusionConfig | Fusion;
  /** The width of the fusion's hidden layer (default 512). */
  readonly hiddenSize?: number;
  /** The number of tokens at which texts are cut where no other is asked for (default: what tokenizer and encoder take). */
  readonly maxLength?: number;
  /**
   * The one input that it was trained on, where it was trained on one alone: the other head, and that of both, have
   * learned nothing (default: none; training sets it).
   */
  readonly trainedMode?: SingleMode;
  /** Reads raw text in `predict` and in training. */
  readonly tokenizer?: BertTokenizer;
  /** Reads raw pictures in `predict` and in training. */
  readonly processor?: ImageProcessor;
  /** Of the first weights and of dropout (default 42). */
  readonly seed?: number;
  /** What `calibrate` found for these weights. */
  readonly calibration?: Calibration;
  /** False leaves the weights zero, for a model that loads them next (default true). */
  readonly initialize?: boolean;
}

/**
 * As `ModelOptions`, but that a string names a pretrained folder or hub id; the tokenizer and the processor
 * are those beside the encoders unless others are given. `resnet18` to `resnet152` are torchvision's weights.
 * A revision belongs to one hub id: load such an encoder with its own `fromPretrained` and pass it.
 */
export interface CreateOptions
  extends Omit<ModelOptions, 'initialize'>, Omit<PretrainedOptions, 'revision'> {
  /**
   * How the vectors of a text's tokens (default `cls`) and of a picture's places (default `mean`) become one, for
   * encoders that are named: one way, or several that are joined.
   */
  readonly pooling?: {
    readonly text?: Pooling | readonly Pooling[];
    readonly image?: ImagePooling | readonly ImagePooling[];
  };
}

/** How a saved model is found; parts of one's own, which its configuration cannot make, are given again. */
export interface FromPretrainedOptions extends PretrainedOptions {
  readonly text?: TextEncoder;
  readonly image?: ImageEncoder;
  readonly fusion?: Fusion;
}

/** What config.json keeps of a model. */
export interface ModelConfig {
  readonly labels: readonly string[];
  readonly text: EncoderConfig;
  readonly image: EncoderConfig;
  readonly fusion: FusionConfig;
  readonly hiddenSize: number;
  readonly seed: number;
  /** Where it is set; there is none in what earlier versions saved. */
  readonly maxLength?: number;
  readonly trainedMode?: SingleMode;
  readonly calibration?: Calibration;
}

/** What a model reads; either may be missing. */
export interface ModelInput {
  readonly text?: TextInput;
  /** Normalised pictures, float32 [batch, height, width, 3]. */
  readonly image?: tf.Tensor4D;
}

/** How a model runs: by default in evaluation, and in mode `both` where both inputs are given. */
export interface ModelContext extends Partial<ForwardContext> {
  readonly mode?: Mode;
}
