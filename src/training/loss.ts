import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { differentiable } from '../nn/ops.js';

/**
 * Target distributions of integer labels, row-major [rows, classes], with label smoothing (Szegedy
 * et al., 2016) as `torch.nn.CrossEntropyLoss(label_smoothing)`: 1 - smoothing on the label plus
 * smoothing / classes on every class. A row labelled -1 (no label) is all zero.
 *
 * @param classWeights multiplies the share of each class, as that loss's `weight` does: a row then sums to the weight
 * of its label where nothing is smoothed.
 * @throws InputError where a label is not below `classes`, or smoothing is outside [0, 1].
 */
export function targetDistributions(
  labels: ArrayLike<number>,
  classes: number,
  smoothing = 0,
  classWeights?: Float32Array,
): Float32Array {
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw new InputError(`loss: labelSmoothing must be from 0 to 1, got ${smoothing}`);
  }
  const targets = new Float32Array(labels.length * classes);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    if (label === -1) continue;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new InputError(
        `loss: a label must be an integer below ${classes} classes, got ${label}`,
      );
    }
    targets.fill(smoothing / classes, row * classes, (row + 1) * classes);
    targets[row * classes + label] = 1 - smoothing + smoothing / classes;
    if (classWeights === undefined) continue;
    for (let i = 0; i < classes; i++) targets[row * classes + i]! *= classWeights[i]!;
  }
  return targets;
}

/**
 * The cross-entropy of each row, `[rows]`: minus the sum over classes of target times log softmax
 * of the logits. Finite for any finite logits, and its gradient is softmax - target, with no
 * division.
 *
 * @param logits [rows, classes]
 * @param targets [rows, classes]: each row a distribution, see {@link targetDistributions}
 */
export function crossEntropyRows(logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => tf.neg(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), 1)) as tf.Tensor1D);
}

/**
 * The focal loss of each row (Lin et al., 2017), `[rows]`: every class's part of {@link crossEntropyRows} times
 * (1 - probability)^gamma, so that rows which are answered well count little. Finite, and with a finite gradient, for
 * any finite logits.
 *
 * @param logits [rows, classes]
 * @param targets [rows, classes]
 * @param gamma above 0; at 0 it is the cross-entropy
 */
export function focalRows(logits: tf.Tensor2D, targets: tf.Tensor2D, gamma: number): tf.Tensor1D {
  const perClass = differentiable([logits], (save) => {
    const logs = tf.logSoftmax(logits); // [rows, classes]
    save([logs, targets]);
    const value = tf.neg(tf.mul(targets, tf.mul(tf.pow(unsure(logs), gamma), logs)));
    return { value, gradient: (dy, saved) => [focalGradient(dy, saved, gamma)] };
  });
  return tf.sum(perClass, 1);
}

/** 1 - probability, kept off 0, where the power of the gradient has no value. */
function unsure(logs: tf.Tensor): tf.Tensor {
  return tf.maximum(tf.sub(1, tf.exp(logs)), 1e-7);
}

/** The gradient of the logits: through log-probability l = log p, d/dl of -(1 - p)^g l is g p (1 - p)^(g - 1) l - (1 - p)^g. */
function focalGradient(dy: tf.Tensor, saved: readonly tf.Tensor[], gamma: number): tf.Tensor {
  const [logs, targets] = saved as [tf.Tensor, tf.Tensor];
  const [p, q] = [tf.exp(logs), unsure(logs)];
  const slope = tf.sub(
    tf.mul(tf.mul(tf.mul(gamma, p), tf.pow(q, gamma - 1)), logs),
    tf.pow(q, gamma),
  );
  const perLog = tf.mul(dy, tf.mul(targets, slope));
  return tf.sub(perLog, tf.mul(p, tf.sum(perLog, 1, true)));
}

/**
 * How far two answers to each row are apart, `[rows]`: half the sum of the Kullback-Leibler divergences of either's
 * probabilities from the other's (R-Drop; Liang et al., 2021). Finite for any finite logits.
 *
 * @param first [rows, classes]
 * @param second [rows, classes]
 */
export function divergenceRows(first: tf.Tensor2D, second: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const [p, q] = [tf.logSoftmax(first), tf.logSoftmax(second)];
    const terms = tf.mul(tf.sub(tf.exp(p), tf.exp(q)), tf.sub(p, q));
    return tf.mul(tf.sum<tf.Tensor1D>(terms, 1), 0.5);
  });
}

/**
 * The weighted sum of the rows' losses, a scalar. Weights carry the mean (1 / rows), masks (0) and the
 * share of a loss among several, so that a batch of any mixture of rows has the same graph.
 *
 * @param losses [rows]
 * @param weights [rows]
 */
export function weightedSum(losses: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  return tf.tidy(() => tf.sum(tf.mul(losses, weights)) as tf.Scalar);
}

/**
 * Softmax cross-entropy of integer labels, the mean over rows (or the mean by weight), a scalar:
 * `torch.nn.functional.cross_entropy(logits, labels, label_smoothing)`. Rows labelled -1 are left
 * out.
 *
 * @param logits [rows, classes]
 * @param weights one number a row; default 1 each
 * @throws InputError where labels and rows differ in number, or no row counts.
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor2D,
  labels: ArrayLike<number>,
  { smoothing = 0, weights }: { smoothing?: number; weights?: ArrayLike<number> } = {},
): tf.Scalar {
  const [rows, classes] = logits.shape;
  if (labels.length !== rows) {
    throw new InputError(`loss: one label a row, got ${labels.length} labels for ${rows} rows`);
  }
  const shares = Float32Array.from({ length: rows }, (_, i) =>
    labels[i] === -1 ? 0 : (weights?.[i] ?? 1),
  );
  const total = shares.reduce((sum, share) => sum + share, 0);
  if (!(total > 0)) throw new InputError('loss: no row has a label and a weight above 0');
  return tf.tidy(() => {
    const targets = tf.tensor2d(targetDistributions(labels, classes, smoothing), [rows, classes]);
    const weights = tf.tensor1d(shares.map((share) => share / total));
    return weightedSum(crossEntropyRows(logits, targets), weights);
  });
}
