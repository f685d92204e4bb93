import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from '../datasets/batch.js';
import { InputError } from '../errors.js';
import { DropoutSource } from '../nn/dropout.js';
import { batchLoss } from './batchLoss.js';
import { clipScale, globalNorm } from './clip.js';
import { droppedInputs } from './modalityDropout.js';
import type { AdamW, NamedTensor } from './optimizer.js';
import type { RunPlan } from './plan.js';
import { mainMode, rowLosses } from './rowLoss.js';
import type { RowLosses } from './rowLoss.js';

/** What optimizer steps need to know of their run. */
export type StepPlan = Pick<
  RunPlan,
  | 'model'
  | 'train'
  | 'mode'
  | 'toClass'
  | 'parameters'
  | 'options'
  | 'classWeights'
  | 'batchesPerEpoch'
>;

/** What one optimizer step came to. */
export interface StepResult {
  /** The mean loss of the rows, before the update; NaN where no row had a loss. */
  readonly loss: number;
  /** The norm of the gradient before it was clipped. */
  readonly gradNorm: number;
  /** How many rows had a loss. */
  readonly rows: number;
  /** Whether dropout had a part in it. */
  readonly dropped: boolean;
}

/** Where a step stands in its run. */
export interface StepPlace {
  /** The number of the first batch within the run, from 0. */
  readonly firstIndex: number;
  /** Called in the pass that updates the parameters, behind it. */
  readonly afterUpdate?: () => void;
}

interface Part {
  readonly batch: Batch;
  readonly labels: Int32Array;
  readonly losses: RowLosses;
  /** The rows with a main loss, each as its class counts. */
  readonly weight: number;
  /** The number of the batch within the run. */
  readonly index: number;
}

/** Gradients by variable name, added up over the batches of a step. */
type Gradients = Map<string, tf.Tensor>;

/**
 * One optimizer step on one or more batches, as if they were one: the gradient is that of the mean
 * over all of their rows. The gradient of the last batch is added, clipped and applied in the pass
 * that computes it: only the loss and the norm are read.
 *
 * @throws InputError where a row has no label.
 */
export async function trainStep(
  plan: StepPlan,
  optimizer: AdamW,
  batches: readonly Batch[],
  { firstIndex, afterUpdate }: StepPlace,
): Promise<StepResult> {
  const parts = batches.map((batch, i) => partOf(plan, batch, firstIndex + i));
  const used = parts.filter(({ losses }) => losses.rows > 0);
  const rows = used.reduce((sum, { losses }) => sum + losses.rows, 0);
  const divisor = used.reduce((sum, { weight }) => sum + weight, 0);
  const gradients: Gradients = new Map();
  const result = { loss: rows === 0 ? NaN : 0, gradNorm: 0, rows, dropped: false };
  try {
    for (const part of used) {
      const { value, dropped } = addGradients(gradients, plan, part, divisor);
      result.dropped ||= dropped;
      const norm =
        part === used.at(-1)
          ? applyGradients(optimizer, gradients, plan.options.maxGradNorm)
          : undefined;
      if (norm !== undefined) afterUpdate?.();
      result.loss += await read(value);
      if (norm !== undefined) result.gradNorm = await read(norm);
      if (!Number.isFinite(result.loss)) break;
    }
  } finally {
    tf.dispose([...gradients.values()]);
  }
  return result;
}

function partOf(plan: StepPlan, batch: Batch, index: number): Part {
  const unlabelled = batch.labels.indexOf(-1);
  if (unlabelled !== -1) {
    const row = plan.train.describe(batch.positions[unlabelled]!);
    throw new InputError(`training: every row must have a label, got none in ${row}`);
  }
  const { auxiliary, modalityDropout, seed } = plan.options;
  const dropped = modalityDropout && droppedInputs(batch, modalityDropout, seed, 'modality', index);
  const losses = rowLosses(batch, plan.mode, auxiliary, dropped);
  const labels = batch.labels.map(plan.toClass);
  return { batch, labels, losses, weight: weightOf(plan, batch, labels, losses), index };
}

function weightOf(
  { mode, classWeights }: StepPlan,
  batch: Batch,
  labels: Int32Array,
  losses: RowLosses,
): number {
  if (classWeights === undefined) return losses.rows;
  let sum = 0;
  labels.forEach((label, row) => {
    if (mainMode(batch, row, mode) !== undefined) sum += classWeights[label]!;
  });
  return sum;
}

interface Added {
  /** The loss, unread. */
  readonly value: tf.Scalar;
  /** Whether dropout had a part in it. */
  readonly dropped: boolean;
}

/** Adds the gradients of a batch to those before it. */
function addGradients(sums: Gradients, plan: StepPlan, part: Part, divisor: number): Added {
  const { model, parameters, options, classWeights, batchesPerEpoch } = plan;
  const { batch, labels, losses, index } = part;
  const epoch = Math.floor(index / batchesPerEpoch);
  const random = new DropoutSource(options.seed, index);
  const how = { ...options, random, classWeights, index, epoch, divisor };
  const { value, grads } = tf.variableGrads(
    () => batchLoss(model, batch, labels, losses, how),
    [...parameters.values()],
  );
  for (const [name, gradient] of Object.entries(grads) as [string, tf.Tensor | null][]) {
    if (gradient === null) continue;
    const before = sums.get(name);
    sums.set(name, before === undefined ? gradient : tf.add(before, gradient));
    if (before !== undefined) tf.dispose([before, gradient]);
  }
  return { value, dropped: random.drawn > 0 };
}

/** Clips and applies; the norm before clipping is returned unread. The gradients are freed. */
function applyGradients(optimizer: AdamW, sums: Gradients, maxGradNorm: number): tf.Scalar {
  const gradients = [...sums].map(([name, tensor]): NamedTensor => ({ name, tensor }));
  const norm = globalNorm([...sums.values()]);
  const scale = maxGradNorm > 0 ? clipScale(norm, maxGradNorm) : undefined;
  optimizer.applyScaledGradients(gradients, scale);
  tf.dispose([...sums.values(), ...(scale === undefined ? [] : [scale])]);
  sums.clear();
  return norm;
}

async function read(scalar: tf.Scalar): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value!;
}
