import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from '../datasets/batch.js';
import { modes } from '../fusion/fusion.js';
import type { Features, LossContext, Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import type { DropoutSource } from '../nn/dropout.js';
import { differentiable } from '../nn/ops.js';
import { batchEncoder, holds, timesRows } from './encodeBatch.js';
import {
  crossEntropyRows,
  divergenceRows,
  focalRows,
  targetDistributions,
  weightedSum,
} from './loss.js';
import { swapMatrix } from './imageSwap.js';
import { mixingMatrix } from './mixup.js';
import { modulate } from './modulation.js';
import type { ModulationOptions } from './modulation.js';
import type { RowLosses } from './rowLoss.js';

/** What the loss of a batch depends on beside the batch. */
export interface BatchLossOptions {
  readonly labelSmoothing: number;
  /** The parameter of mixup's Beta distribution; 0 mixes nothing. */
  readonly mixup: number;
  /** How often a row is given the picture of another one of its class (default 0). */
  readonly imageSwap?: number;
  /** What dropout draws from. */
  readonly random: DropoutSource;
  readonly seed: number;
  /** The number of the batch within the run: with the seed, it names the other random streams. */
  readonly index: number;
  /** How many epochs were done before this one. */
  readonly epoch: number;
  /** What the weighted losses are divided by: the rows of the whole step, each as its class counts. */
  readonly divisor: number;
  /** What the rows of each class count; default: all the same. */
  readonly classWeights?: Float32Array;
  /** The focal loss's gamma (default 0: cross-entropy). */
  readonly focalGamma?: number;
  /** R-Drop's alpha (default 0: rows are answered once). */
  readonly rDrop?: number;
  /** Slows down the encoder that is ahead; default: neither. */
  readonly gradientModulation?: ModulationOptions;
  /** Whether the encoders' layers are computed again in the backward pass. */
  readonly gradientCheckpointing?: boolean;
}

/**
 * The loss of one batch in training, a scalar: the sum of its rows' losses, as {@link RowLosses}
 * weighs them, over the rows of the step; what a row's loss is, the fusion says. Batches of one step therefore add up to the mean that one
 * larger batch would have. With class weights it is the mean by weight, as PyTorch's.
 *
 * With R-Drop (Liang et al., 2021) rows are answered twice, with other dropout, and the loss of a row is half of the
 * paper's: the mean of both losses, plus alpha / 2 times how far the answers are apart.
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
    const { random, gradientCheckpointing } = options;
    // A batch may hold a single picture: it is no reason to end a run.
    const singleValues = 'running' as const;
    const context = { training: true, random, gradientCheckpointing, singleValues };
    const mix = mixer(batch, options);
    const swap = swapper(batch, labels, options);
    const mixRows = (x: tf.Tensor2D): tf.Tensor2D => (mix === undefined ? x : timesRows(mix, x));
    const classes = model.labels.length;
    const { labelSmoothing, classWeights } = options;
    const values = targetDistributions(labels, classes, labelSmoothing, classWeights);
    const targets = mixRows(tf.tensor2d(values, [batch.size, classes]));
    const about = { epoch: tf.scalar(options.epoch), crossEntropy: crossEntropyOf(options) };
    const encode = batchEncoder(model, batch, { ...context, mode: encodedMode(losses, batch) });
    // The main head comes first, so that its dropout does not depend on the others.
    const used = (['both', 'text', 'image'] as const).filter(
      (mode) => losses.weights[mode] !== undefined,
    );
    const answer = (): tf.Tensor2D[] => {
      const encoded = encode();
      const shaped = modulated(model, batch, labels, encoded, options);
      const paired = swap === undefined ? shaped : swapImages(shaped, swap);
      const main = mix === undefined ? paired : mixFeatures(paired, mix);
      const single = mapPooled(encoded, (features) => mixRows(gate(features, losses.reach)));
      return used.map((mode) =>
        model.classify(mode === 'both' ? main : single, { ...context, mode }),
      );
    };
    const { rDrop = 0 } = options;
    const first = answer();
    // Where nothing dropped, a second answer would be the first.
    const second = rDrop > 0 && random.drawn > 0 ? answer() : undefined;
    const terms = used.map((mode, i) => {
      const counted = tf.tensor1d(losses.weights[mode]!.map((weight) => (weight > 0 ? 1 : 0)));
      const lossOf = (logits: tf.Tensor2D): tf.Tensor1D =>
        model.fusion.rowLosses(logits, targets, { ...about, mode, counted });
      const weights = losses.weights[mode]!.map((weight) => weight / options.divisor);
      const ofRows = second
        ? twiceAnswered(first[i]!, second[i]!, lossOf, rDrop)
        : lossOf(first[i]!);
      return weightedSum(ofRows, tf.tensor1d(weights));
    });
    return terms.reduce((sum, term) => tf.add(sum, term));
  });
}

/** The loss of rows with two answers: half of R-Drop's. */
function twiceAnswered(
  first: tf.Tensor2D,
  second: tf.Tensor2D,
  lossOf: (logits: tf.Tensor2D) => tf.Tensor1D,
  alpha: number,
): tf.Tensor1D {
  const apart = tf.mul(divergenceRows(first, second), alpha);
  return tf.mul(tf.addN([lossOf(first), lossOf(second), apart]), 0.5);
}

/** The cross-entropy of each row, or its focal form. */
function crossEntropyOf({ focalGamma = 0 }: BatchLossOptions): LossContext['crossEntropy'] {
  if (focalGamma === 0) return crossEntropyRows;
  return (logits, targets) => focalRows(logits, targets, focalGamma);
}

/** Only the encoders that a loss needs run. */
function encodedMode({ weights }: RowLosses, batch: Batch): Mode {
  const needed = modes.filter((mode) => weights[mode] !== undefined);
  if (needed.length === 1) return needed[0]!;
  return holds(batch, 'both') ? 'both' : holds(batch, 'text') ? 'text' : 'image';
}

/** Features whose gradient is modulated, where that is asked for and the batch has both. */
function modulated(
  model: BertResNetModel,
  { size, hasText, hasImage }: Batch,
  labels: ArrayLike<number>,
  features: Features,
  { gradientModulation, seed, index }: BatchLossOptions,
): Features {
  const { text, image } = features;
  if (gradientModulation === undefined || !text || !image) return features;
  const width = model.labels.length;
  const classes = tf.tensor2d(targetDistributions(labels, width), [size, width]);
  const present = hasText.map((has, row) => (has && hasImage[row]! ? 1 : 0));
  const inputs = { classes, complete: tf.tensor2d(present, [size, 1]), key: [seed, 'ogm', index] };
  return { ...features, ...modulate(model, { text, image }, inputs, gradientModulation) };
}

/** The matrix that mixes the rows of a batch; undefined where none are mixed. */
function mixer(
  { size, hasText, hasImage }: Batch,
  { mixup, seed, index }: BatchLossOptions,
): tf.Tensor2D | undefined {
  if (mixup === 0) return undefined;
  const kinds = hasText.map((text, row) => (text ? 1 : 0) + (hasImage[row]! ? 2 : 0));
  return tf.tensor2d(mixingMatrix(kinds, mixup, seed, 'mixup', index), [size, size]);
}

/** The matrix that gives rows other pictures; undefined where each keeps its own. */
function swapper(
  batch: Batch,
  labels: ArrayLike<number>,
  { imageSwap = 0, seed, index }: BatchLossOptions,
): tf.Tensor2D | undefined {
  if (imageSwap === 0) return undefined;
  const matrix = swapMatrix(batch, labels, imageSwap, seed, 'swap', index);
  return tf.tensor2d(matrix, [batch.size, batch.size]);
}

/** Features whose pictures are those of other rows, regions included. */
function swapImages(features: Features, matrix: tf.Tensor2D): Features {
  const { image, imageRegions } = features;
  return {
    ...features,
    ...(image && { image: timesRows(matrix, image) }),
    ...(imageRegions && { imageRegions: timesRows(matrix, imageRegions) }),
  };
}

/** Sequences are mixed place by place: padding adds nothing, and a place counts where it does in either row. */
function mixFeatures(features: Features, matrix: tf.Tensor2D): Features {
  const { textMask, ...others } = features;
  const mask = textMask && tf.cast(textMask, 'float32');
  const mixed = Object.entries(others).map(([name, x]: [string, tf.Tensor]) => {
    const isText = mask !== undefined && (name === 'textTokens' || name === 'textEmbeddings');
    return [name, timesRows(matrix, isText ? tf.mul(x, tf.expandDims(mask, 2)) : x)];
  });
  const counted = mask && tf.cast(tf.greater(timesRows(matrix, mask), 0), 'int32');
  return { ...Object.fromEntries(mixed), ...(counted && { textMask: counted }) };
}

function mapPooled({ text, image }: Features, map: (x: tf.Tensor2D) => tf.Tensor2D): Features {
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
