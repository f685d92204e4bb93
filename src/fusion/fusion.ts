import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { InputError } from '../errors.js';
import type { ForwardContext } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import type { Scope } from '../nn/module.js';
import type { OptionsSchema } from '../schema.js';

/** Which inputs an answer rests on. */
export const modes = ['text', 'image', 'both'] as const;

/** One of `modes`. */
export type Mode = (typeof modes)[number];

/** A mode of one input alone. */
export type SingleMode = Exclude<Mode, 'both'>;

/**
 * What a fusion reads of the encoders: pooled vectors alone, the sequences of tokens and regions as well, or regions and
 * what enters the layers of the text encoder, which are lent to it.
 */
export type FusionNeeds = 'pooled' | 'sequences' | 'layers';

/** Features of a batch, those that a mode and a fusion need. */
export interface Features {
  /** [batch, textSize] */
  readonly text?: tf.Tensor2D;
  /** [batch, imageSize] */
  readonly image?: tf.Tensor2D;
  /** The vectors of the tokens, [batch, length, tokenSize]. */
  readonly textTokens?: tf.Tensor3D;
  /** [batch, length], 0 where a token is padding; without it every token counts. */
  readonly textMask?: tf.Tensor2D;
  /** The vectors of the places of the pictures, [batch, regions, regionSize]. */
  readonly imageRegions?: tf.Tensor3D;
  /** What enters the layers of the text encoder, [batch, length, layerSize]. */
  readonly textEmbeddings?: tf.Tensor3D;
}

/** The layers of the text encoder, lent to a fusion that runs other vectors through them. */
export interface TextLayers {
  /** What enters the first layer, of vectors in the places of words: [batch, count, layerSize] to the same. */
  embed(vectors: tf.Tensor3D, context: ForwardContext): tf.Tensor3D;
  /** What leaves the last layer, of what enters the first; the mask is [batch, length]. */
  run(embedded: tf.Tensor3D, mask: tf.Tensor2D | undefined, context: ForwardContext): tf.Tensor3D;
}

/** The sizes that a fusion joins. */
export interface FusionSizes {
  /** The length of a text's feature vector. */
  readonly textSize: number;
  /** The length of a picture's. */
  readonly imageSize: number;
  /** The width of the hidden layer. */
  readonly hiddenSize: number;
  /** The number of classes. */
  readonly classes: number;
  /** The width of a token's vector, where the text encoder gives them. */
  readonly tokenSize?: number;
  /** The width of a region's, where the visual encoder gives them. */
  readonly regionSize?: number;
  /** The width of what the text encoder's layers take, where it lends them. */
  readonly layerSize?: number;
}

/** What a configuration file keeps of a fusion: its registered name and its own options. */
export interface FusionConfig {
  readonly type: string;
  readonly [option: string]: unknown;
}

/** The configuration of a fusion whose options are known, every default filled in. */
export type OptionsOf<S extends OptionsSchema> = FusionConfig & v.InferOutput<S>;

/** The options of a fusion that has none. */
export const noOptions = v.strictObject({});

/** How a fusion runs. */
export interface FusionContext extends ForwardContext {
  readonly mode: Mode;
  /** There for a fusion that needs layers. */
  readonly textLayers?: TextLayers;
}

/** What the losses of a batch may depend on beside logits and targets. */
export interface LossContext {
  readonly mode: Mode;
  /** `[rows]`: 1 where a row has a part in the loss of this mode, else 0; such a row's logits mean nothing. */
  readonly counted: tf.Tensor1D;
  /** How many epochs are done, a scalar. */
  readonly epoch: tf.Scalar;
  /** The cross-entropy of each row, or the form of it that the trainer's options ask for: [rows, classes] to [rows]. */
  readonly crossEntropy: (logits: tf.Tensor2D, targets: tf.Tensor2D) => tf.Tensor1D;
}

/**
 * Turns features into logits, in each of the modes. The names of its parameters stand at the top level
 * of a model's state dict.
 *
 * To write one: extend `Fusion`, answer `both`, and register it with `registerFusion`. The single modes
 * have a linear layer of their own, `mlp_text` and `mlp_image`, the same in every fusion here, so that
 * their figures compare; override `text` and `image` for others. The probabilities of an answer are the softmax
 * of its logits; a fusion whose probabilities come about in another way gives their logarithms.
 */
export abstract class Fusion extends Module {
  /** What `createFusion` makes this fusion of again. */
  readonly config: FusionConfig;
  readonly mlpText: Linear;
  readonly mlpImage: Linear;

  constructor(
    config: FusionConfig,
    readonly sizes: FusionSizes,
    scope: Scope = {},
  ) {
    super(scope);
    this.config = config;
    const { textSize, imageSize, classes } = sizes;
    this.mlpText = this.child('mlp_text', (inner) => new Linear(textSize, classes, inner));
    this.mlpImage = this.child('mlp_image', (inner) => new Linear(imageSize, classes, inner));
  }

  /**
   * Logits [batch, classes].
   *
   * @throws InputError where a feature that the mode needs is missing.
   */
  forward(features: Features, context: FusionContext): tf.Tensor2D {
    return tf.tidy(() => {
      if (context.mode === 'text') return this.text(need(features, 'text', context.mode), context);
      if (context.mode === 'image')
        return this.image(need(features, 'image', context.mode), context);
      const text = need(features, 'text', context.mode);
      return this.both(text, need(features, 'image', context.mode), context, features);
    });
  }

  /** Whether `rowLosses` rests on the trainer's cross-entropy, whose form its options choose. */
  get usesCrossEntropy(): boolean {
    return true;
  }

  /** Whether it is trained by the losses of the single modes, the trainer's `auxiliary`, which then may not be 0. */
  get needsAuxiliary(): boolean {
    return false;
  }

  /**
   * The loss of each row in training, [rows], finite for every row: by default the cross-entropy. It is asked for once a
   * mode that is trained.
   *
   * @param logits [rows, classes], those of the mode
   * @param targets [rows, classes]: distributions over the classes, each times what its row counts (class weights)
   */
  rowLosses(logits: tf.Tensor2D, targets: tf.Tensor2D, context: LossContext): tf.Tensor1D {
    return context.crossEntropy(logits, targets);
  }

  /** What it reads of the encoders in mode `both`. */
  get needs(): FusionNeeds {
    return 'pooled';
  }

  /** Logits of both features; `features` also holds the sequences of a fusion that needs them. */
  protected abstract both(
    text: tf.Tensor2D,
    image: tf.Tensor2D,
    context: FusionContext,
    features: Features,
  ): tf.Tensor2D;

  /** Logits of a text alone. */
  protected text(text: tf.Tensor2D, _context: FusionContext): tf.Tensor2D {
    return this.mlpText.forward(text);
  }

  /** Logits of a picture alone. */
  protected image(image: tf.Tensor2D, _context: FusionContext): tf.Tensor2D {
    return this.mlpImage.forward(image);
  }
}

function need(features: Features, kind: 'text' | 'image', mode: Mode): tf.Tensor2D {
  const feature = features[kind];
  if (feature !== undefined) return feature;
  throw new InputError(
    `fusion: mode '${mode}' needs ${kind} features, got none; encode with that mode`,
  );
}
