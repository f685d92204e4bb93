import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';

/**
 * Target distributions of integer labels, row-major [rows, classes], with label smoothing (Szegedy
 * et al., 2016) as `torch.nn.CrossEntropyLoss(label_smoothing)`: 1 - smoothing on the label plus
 * smoothing / classes on every class. A row labelled -1 (no label) is all zero.
 *
 * @throws InputError where a label is not below `classes`, or smoothing is outside [0, 1].
 */
export function targetDistributions(
  labels: ArrayLike<number>,
  classes: number,
  smoothing = 0,
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
 * The weighted sum of the rows' cross-entropies, a scalar. Weights carry the mean (1 / rows), masks
 * (0) and the share of a loss among several, so that a batch of any mixture of rows has the same
 * graph.
 *
 * @param weights [rows]
 */
export function weightedCrossEntropy(
  logits: tf.Tensor2D,
  targets: tf.Tensor2D,
  weights: tf.Tensor1D,
): tf.Scalar {
  return tf.tidy(() => tf.sum(tf.mul(crossEntropyRows(logits, targets), weights)) as tf.Scalar);
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
    return weightedCrossEntropy(logits, targets, tf.tensor1d(shares.map((share) => share / total)));
  });
}
