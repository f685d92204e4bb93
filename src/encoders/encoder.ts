import type * as tf from '@tensorflow/tfjs-core';
import type { ForwardContext } from '../nn/dropout.js';
import type { Module } from '../nn/module.js';

/** Tokens of a batch, int32 [batch, length]; without a mask every token counts, without types all are 0. */
export interface TextInput {
  readonly inputIds: tf.Tensor2D;
  /** 1 where a token counts, 0 at padding. */
  readonly attentionMask?: tf.Tensor2D;
  /** 0 in the first sentence of a pair, 1 in the second. */
  readonly tokenTypeIds?: tf.Tensor2D;
}

/** What a configuration file keeps of an encoder: its family and its geometry. */
export interface EncoderConfig {
  readonly modelType: string;
}

/** Reads tokens: a Module that anyone may write. */
export interface TextEncoder extends Module {
  /** The length of a feature vector. */
  readonly featureSize: number;
  /** The longest row that it reads, in tokens, where there is a limit. */
  readonly maxLength?: number;
  readonly config: EncoderConfig;
  /** One feature vector a row: [batch, featureSize]. */
  forward(text: TextInput, context: ForwardContext): tf.Tensor2D;
}

/** Reads pictures, float32 [batch, height, width, 3], normalised: a Module that anyone may write. */
export interface ImageEncoder extends Module {
  /** The length of a feature vector, or of a map that is flattened. */
  readonly featureSize: number;
  readonly config: EncoderConfig;
  /** One feature vector a row, [batch, featureSize], or a map [batch, height, width, channels]. */
  forward(image: tf.Tensor4D, context: ForwardContext): tf.Tensor2D | tf.Tensor4D;
}
