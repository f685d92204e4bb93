import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { Scope } from '../nn/module.js';
import { Fusion } from './fusion.js';
import type { Features, FusionConfig, FusionContext, FusionNeeds, FusionSizes } from './fusion.js';

/** What a fusion of sequences joins. */
export interface Sequences {
  /** [batch, length, tokenSize] */
  readonly tokens: tf.Tensor3D;
  /** [batch, length], float32: 1 where a token counts, else 0. */
  readonly mask: tf.Tensor2D;
  /** [batch, regions, regionSize] */
  readonly regions: tf.Tensor3D;
}

/** A fusion that reads the vectors of tokens and of regions: extend it and answer `join`. */
export abstract class SequenceFusion extends Fusion {
  /** The widths of tokens and regions. */
  readonly widths: { readonly tokenSize: number; readonly regionSize: number };

  /** @throws InputError where an encoder gives no sequence */
  constructor(sizes: FusionSizes, scope: Scope, config: FusionConfig) {
    requireNeeds(config, 'sequences', sizes);
    super(config, sizes, scope);
    this.widths = { tokenSize: sizes.tokenSize!, regionSize: sizes.regionSize! };
  }

  override get needs(): FusionNeeds {
    return 'sequences';
  }

  /** Logits [batch, classes] of both sequences. */
  protected abstract join(sequences: Sequences, context: FusionContext): tf.Tensor2D;

  protected override both(
    _text: tf.Tensor2D,
    _image: tf.Tensor2D,
    context: FusionContext,
    features: Features,
  ): tf.Tensor2D {
    const tokens = needSequence(features, 'textTokens');
    const mask = maskOf(features, tokens);
    return this.join({ tokens, mask, regions: needSequence(features, 'imageRegions') }, context);
  }
}

/** 1 where a token counts, else 0: float32 [batch, length]. */
export function maskOf({ textMask }: Features, tokens: tf.Tensor3D): tf.Tensor2D {
  if (textMask !== undefined) return tf.cast(textMask, 'float32');
  return tf.ones([tokens.shape[0], tokens.shape[1]]);
}

/** The mean of the vectors that count: [batch, length, width] to [batch, width]; zero where none does. */
export function maskedMean(x: tf.Tensor3D, mask: tf.Tensor2D): tf.Tensor2D {
  const count = tf.maximum(tf.sum(mask, 1, true), 1e-9); // [batch, 1]
  return tf.div(tf.sum(tf.mul(x, tf.expandDims(mask, 2)), 1), count);
}

/** A mask with a number of ones before and behind: [batch, length] to [batch, before + length + behind]. */
export function extendMask(mask: tf.Tensor2D, before: number, behind: number): tf.Tensor2D {
  const rows = mask.shape[0];
  const ones = (count: number): tf.Tensor2D[] => (count === 0 ? [] : [tf.ones([rows, count])]);
  return tf.concat([...ones(before), mask, ...ones(behind)], 1);
}

/** A parameter [1, count, width] for every row: [batch, count, width]. */
export function forEachRow(parameter: tf.Variable, batch: number): tf.Tensor3D {
  const [, count, width] = parameter.shape as [number, number, number];
  return tf.add(tf.zeros([batch, count, width]), parameter);
}

/** The vector at the first place: [batch, length, width] to [batch, width]. */
export function firstOf(x: tf.Tensor3D): tf.Tensor2D {
  const [batch, , width] = x.shape;
  return tf.reshape(tf.slice(x, [0, 0, 0], [batch, 1, width]), [batch, width]);
}

/** A sequence that the mode `both` needs. @throws InputError where it is not there */
export function needSequence(
  features: Features,
  name: 'textTokens' | 'imageRegions' | 'textEmbeddings',
): tf.Tensor3D {
  const sequence = features[name];
  if (sequence !== undefined) return sequence;
  throw new InputError(
    `fusion: mode 'both' needs ${name}, got none; encode with that mode: model.encode(inputs, { mode: 'both' })`,
  );
}

/**
 * Refuses encoders that do not give what a fusion reads.
 *
 * @throws InputError naming the encoder, and what it would need.
 */
export function requireNeeds(
  { type }: FusionConfig,
  needs: FusionNeeds,
  { tokenSize, regionSize, layerSize }: FusionSizes,
): void {
  const refuse = (what: string, encoder: string, members: string): InputError =>
    new InputError(
      `fusion '${type}': reads ${what}, and the ${encoder} encoder gives none; take a fusion of pooled features, such as ` +
        `'mlp', or give the encoder ${members}`,
    );
  if (needs === 'pooled') return;
  if (needs === 'sequences' && tokenSize === undefined)
    throw refuse('the vectors of tokens', 'text', 'sequenceSize, sequence and poolSequence');
  if (needs === 'layers' && layerSize === undefined)
    throw refuse('through the layers of BERT', 'text', 'embedText, embedVectors and runLayers');
  if (regionSize === undefined)
    throw refuse('the vectors of regions', 'visual', 'sequenceSize, sequence and poolSequence');
}
