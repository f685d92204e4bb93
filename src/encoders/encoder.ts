import type * as tf from '@tensorflow/tfjs-core';
import type { ImageExtractor, TextExtractor } from '../datasets/features.js';
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
  /**
   * The family. With the rest of the configuration and the weights it says what an encoder computes: cached features are
   * found by them.
   */
  readonly modelType: string;
}

/** What an encoder has, beside `forward`, that also gives a sequence of vectors for each row. */
export interface SequenceEncoder<Input> {
  /** The width of a vector of the sequence. */
  readonly sequenceSize: number;
  /** The vectors of the tokens of a text, or of the places of a picture: [batch, length, sequenceSize]. */
  readonly sequence: (input: Input, context: ForwardContext) => tf.Tensor3D;
  /** The feature that `forward` gives, made of the sequence: [batch, featureSize]. */
  readonly poolSequence: (sequence: tf.Tensor3D, input: Input) => tf.Tensor2D;
}

/** What a text encoder has that lends its layers to vectors that are no tokens. */
export interface LayeredEncoder {
  /** What enters the first layer: [batch, length, sequenceSize]. */
  readonly embedText: (text: TextInput, context: ForwardContext) => tf.Tensor3D;
  /** The same for vectors [batch, count, sequenceSize] that stand in the places of words. */
  readonly embedVectors: (vectors: tf.Tensor3D, context: ForwardContext) => tf.Tensor3D;
  /** What leaves the last layer, of what enters the first; without a mask every vector counts. */
  readonly runLayers: (
    embedded: tf.Tensor3D,
    mask: tf.Tensor2D | undefined,
    context: ForwardContext,
  ) => tf.Tensor3D;
}

/**
 * Reads tokens: a Module that anyone may write; what it gives of sequences is for fusions that read them. One that has
 * `extractTexts` reads texts as they are, outside of TensorFlow.js: batches then hold its features, no tokens.
 */
export interface TextEncoder
  extends
    Module,
    Partial<SequenceEncoder<TextInput>>,
    Partial<LayeredEncoder>,
    Partial<TextExtractor> {
  /** The length of a feature vector. */
  readonly featureSize: number;
  /** Whether its weights were learned before: the trainer's default rates depend on it. */
  pretrained?: boolean;
  /** The longest row that it reads, in tokens, where there is a limit. */
  readonly maxLength?: number | undefined;
  readonly config: EncoderConfig;
  /** One feature vector a row: [batch, featureSize]. */
  forward(text: TextInput, context: ForwardContext): tf.Tensor2D;
}

/**
 * Reads pictures, float32 [batch, height, width, 3], normalised: a Module that anyone may write. One that has
 * `extractImages` reads pictures as they are, outside of TensorFlow.js: batches then hold its features, no pixels.
 */
export interface ImageEncoder
  extends Module, Partial<SequenceEncoder<tf.Tensor4D>>, Partial<ImageExtractor> {
  /** Whether its weights were learned before: the trainer's default rates depend on it. */
  pretrained?: boolean;
  /** The length of a feature vector, or of a map that is flattened. */
  readonly featureSize: number;
  readonly config: EncoderConfig;
  /** One feature vector a row, [batch, featureSize], or a map [batch, height, width, channels]. */
  forward(image: tf.Tensor4D, context: ForwardContext): tf.Tensor2D | tf.Tensor4D;
}
