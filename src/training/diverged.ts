import type * as tf from '@tensorflow/tfjs-core';
import { globalNorm } from './clip.js';

/** What became NaN or infinite: the first of these that did. */
export type Diverged = 'loss' | 'gradient' | 'weights' | 'logits';

/** What is known of a step with which something became no number. */
export interface Divergence {
  readonly what: Diverged;
  /** The loss, the norm of the gradient or of the weights, or a logit of a validation row. */
  readonly value: number;
  /** Counted from 1, as `epoch`. */
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  /** The names of the step's rows; none where the run went on behind it. */
  readonly rows: readonly string[];
  /** The last good checkpoint's file, where the run has a folder, and the steps done by then. */
  readonly checkpoint?: string;
  readonly checkpointStep?: number;
}

/**
 * Training stopped because its loss, the gradient, the weights or the answers to validation rows became NaN or
 * infinite.
 */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';

  constructor(readonly divergence: Divergence) {
    super(message(divergence));
  }
}

const subjects: Readonly<Record<Diverged, string>> = {
  loss: 'the loss',
  gradient: "the gradient's norm",
  weights: "the weights' norm",
  logits: 'a logit of the validation rows',
};

function message({ what, value, step, epoch, learningRate, rows, ...rest }: Divergence): string {
  const more = rows.length > 4 ? ` and ${rows.length - 4} more` : '';
  const shown = rows.length === 0 ? '' : `, rows ${rows.slice(0, 4).join('; ')}${more}`;
  const { checkpoint, checkpointStep } = rest;
  const kept =
    checkpoint === undefined
      ? 'the model holds weights that cannot be used'
      : `the model holds the weights of ${checkpoint}, after step ${checkpointStep}`;
  return (
    `training: ${subjects[what]} became ${value} in step ${step} (epoch ${epoch}, ` +
    `learning rate ${learningRate}${shown}); ` +
    `lower learningRate, raise warmupSteps, keep maxGradNorm at 1, or look at these rows; ${kept}`
  );
}

/** The Euclidean norm of all values together: no number where one of them is none. */
export async function normOf(values: Iterable<tf.Tensor>): Promise<number> {
  const norm = globalNorm([...values]);
  try {
    return (await norm.data())[0]!;
  } finally {
    norm.dispose();
  }
}
