import * as tf from '@tensorflow/tfjs-core';
import { toTensors } from '../datasets/batch.js';
import type { Batch } from '../datasets/batch.js';
import { modes } from '../fusion/fusion.js';
import type { Features, Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import type { ModelContext } from '../modelOptions.js';
import { DropoutSource } from '../nn/dropout.js';
import { differentiable } from '../nn/ops.js';
import { targetDistributions, weightedCrossEntropy } from './loss.js';
import { mixingMatrix } from './mixup.js';
import type { RowLosses } from './rowLoss.js';

/** What the loss of a batch depends on beside the batch. */
export interface BatchLossOptions {
  readonly labelSmoothing: number;
  /** The parameter of mixup's Beta distribution; 0 mixes nothing. */
  readonly mixup: number;
  readonly seed: number;
  /** The number of the batch within the run: with the seed, it names the random streams. */
  readonly index: number;
  /** What the weighted losses are divided by: the rows of the whole step. */
  readonly rows: number;
}

/**
 * The loss of one batch in training, a scalar: the sum of its rows' losses, as {@link RowLosses}
 * weighs them, over the rows of the step. Batches of one step therefore add up to the mean that one
 * larger batch would have.
 *
 * Everything that changes from step to step enters as a tensor, so that the graph stays the same.
 */
export function batchLoss(
  model: BertResNetModel,
  batch: Batch,
  labels: ArrayLike<number>,
  losses: RowLosses,
  options: BatchLossOptions,
): tf.Scalar {
  return tf.tidy(() => {
    const context = { training: true, random: new DropoutSource(options.seed, options.index) };
    const mix = mixer(batch, options);
    const classes = model.labels.length;
    const values = targetDistributions(labels, classes, options.labelSmoothing);
    const targets = mix(tf.tensor2d(values, [batch.size, classes]));
    const encoded = encodePresent(model, batch, { ...context, mode: encodedMode(losses, batch) });
    const main = mapFeatures(encoded, mix);
    const single = mapFeatures(encoded, (features) => mix(gate(features, losses.reach)));
    // The main head comes first, so that its dropout does not depend on the others.
    const used = (['both', 'text', 'image'] as const).filter(
      (mode) => losses.weights[mode] !== undefined,
    );
    const terms = used.map((mode) => {
      const logits = model.classify(mode === 'both' ? main : single, { ...context, mode });
      const weights = losses.weights[mode]!.map((weight) => weight / options.rows);
      return weightedCrossEntropy(logits, targets, tf.tensor1d(weights));
    });
    return terms.reduce((sum, term) => tf.add(sum, term));
  });
}

/** Only the encoders that a loss needs run. */
function encodedMode({ weights }: RowLosses, batch: Batch): Mode {
  const needed = modes.filter((mode) => weights[mode] !== undefined);
  if (needed.length === 1) return needed[0]!;
  return batch.text === undefined ? 'image' : batch.image === undefined ? 'text' : 'both';
}

/**
 * The features of a batch. Pictures that are missing are not shown to the encoder, whose BatchNorm would take
 * them for black ones: their features are zero.
 */
function encodePresent(
  model: BertResNetModel,
  batch: Batch,
  context: ModelContext & { readonly mode: Mode },
): Features {
  const inputs = toTensors(batch);
  const rows = batch.hasImage.flatMap((present, row) => (present ? [row] : []));
  if (context.mode === 'text' || rows.length === batch.size) return model.encode(inputs, context);
  const text = context.mode === 'both' ? model.encode(inputs, { ...context, mode: 'text' }) : {};
  const pictures = tf.gather(inputs.image!, tf.tensor1d(rows, 'int32'));
  const { image } = model.encode({ image: pictures }, { ...context, mode: 'image' });
  const placed: tf.Tensor2D = tf.matMul(placement(rows, batch.size), image!);
  return { ...text, image: placed };
}

/** The matrix [size, rows.length] that puts each row in its place among zeros. */
function placement(rows: readonly number[], size: number): tf.Tensor2D {
  const matrix = new Float32Array(size * rows.length);
  rows.forEach((row, i) => (matrix[row * rows.length + i] = 1));
  return tf.tensor2d(matrix, [size, rows.length]);
}

type Mix = (rows: tf.Tensor2D) => tf.Tensor2D;

function mixer({ size, hasText, hasImage }: Batch, { mixup, seed, index }: BatchLossOptions): Mix {
  if (mixup === 0) return (rows) => rows;
  const kinds = hasText.map((text, row) => (text ? 1 : 0) + (hasImage[row]! ? 2 : 0));
  const matrix = tf.tensor2d(mixingMatrix(kinds, mixup, seed, 'mixup', index), [size, size]);
  return (rows) => tf.matMul(matrix, rows);
}

function mapFeatures({ text, image }: Features, map: Mix): Features {
  return { ...(text && { text: map(text) }), ...(image && { image: map(image) }) };
}

/** The same features, with a gradient only in rows where `open` is 1. */
function gate(features: tf.Tensor2D, open: Float32Array): tf.Tensor2D {
  if (open.every((row) => row === 1)) return features;
  return differentiable([features], (save) => {
    save([tf.tensor2d(open, [open.length, 1])]);
    return {
      value: tf.clone(features),
      gradient: (dy, [mask]) => [tf.mul(dy, mask!)],
    };
  });
}
