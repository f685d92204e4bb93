import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import type { Dataset } from '../datasets/example.js';
import { InputError } from '../errors.js';
import { nextTurn } from '../eventLoop.node.js';
import type { BertResNetModel } from '../model.js';
import { adaptedLayers, removeLora } from '../nn/lora.js';
import { aboveZero, belowOne, integer, parseOptions } from '../schema.js';
import { batchGroups } from './batchGroups.js';
import { rememberPretrained } from './defaults.js';
import { resolveOptions } from './options.js';
import type { ResolvedOptions, RunOptions, TrainingOptions } from './options.js';
import { createOptimizer, planRun } from './plan.js';
import type { RunPlan } from './plan.js';
import { prepareRows } from './preparedRows.js';
import type { PreparedRows } from './preparedRows.js';
import { SmoothedLoss, steepestRate, sweptRate } from './rangeTest.js';
import type { RangePoint } from './rangeTest.js';
import { trainStep } from './step.js';

/** How a range test moves the rate. */
interface Sweep {
  /** The rate of the first step (default 1e-7). */
  readonly minLearningRate: number;
  /** The rate of the last step (default 1). */
  readonly maxLearningRate: number;
  /** Optimizer steps (default 100). */
  readonly steps: number;
  /** What the losses before count in the smoothed one, beside 1 for all together (default 0.95). */
  readonly smoothing: number;
  /** Ends the test where the smoothed loss is so many times its minimum (default 4). */
  readonly stopFactor: number;
}

/** Who follows a range test, and who may stop it. */
interface RangeListeners {
  /** Ends the test after the step under way: {@link findLearningRate} rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each step, and waited for. */
  readonly onStep?: (point: RangePoint) => void | Promise<void>;
  /** Told what is suspicious but no error; default `console.warn`. */
  readonly onWarning?: (warning: string) => void;
}

/** Options of {@link findLearningRate}: those of the run that the rate is for, and of the test. */
export interface FindLearningRateOptions
  extends
    TrainingOptions,
    Pick<RunOptions, 'gradientCheckpointing' | 'cacheFeatures' | 'prefetch'>,
    Partial<Sweep>,
    RangeListeners {}

/** What a range test found. */
export interface LearningRateRange {
  /**
   * The rate where the loss fell most steeply: a good peak for a schedule with a warm-up. Absent where the loss fell
   * nowhere.
   */
  readonly suggestion?: number;
  /** Every step, in order. */
  readonly points: readonly RangePoint[];
  /** Whether the loss grew beyond `stopFactor`, or was no number, before the last step. */
  readonly diverged: boolean;
}

const sweepEntries = {
  minLearningRate: v.optional(aboveZero, 1e-7),
  maxLearningRate: v.optional(aboveZero, 1),
  steps: v.optional(integer(10), 100),
  smoothing: v.optional(belowOne, 0.95),
  stopFactor: v.optional(v.pipe(v.number(), v.gtValue(1)), 4),
};

/**
 * A learning rate range test (Smith, 2017): trains for some steps with a rate that grows from step to step by the same
 * factor, and says where the loss fell most steeply. Afterwards the model is what it was: weights, statistics, and what
 * is frozen. Equal seeds make equal tests on one backend.
 *
 * The rates of the text, the image and the head that are given keep their ratio to `learningRate`, which is what is
 * swept. Everything that the run would train in some epoch is trained; with `lora` the adapters, which are removed again.
 *
 * ```ts
 * const { suggestion } = await findLearningRate(model, train, { batchSize: 16 });
 * const trainer = new Trainer(model, { batchSize: 16, learningRate: suggestion });
 * ```
 *
 * @throws InputError before any work where an option is out of its range, the model has adapters of its own, or the data
 * and the model do not fit.
 */
export async function findLearningRate(
  model: BertResNetModel,
  dataset: Dataset,
  options: FindLearningRateOptions = {},
): Promise<LearningRateRange> {
  const { signal, onStep, onWarning = console.warn, ...given } = options;
  signal?.throwIfAborted();
  const { sweep, training } = resolveRange(given);
  requireNoAdapters(model);
  const restoreFrozen = model.rememberFrozen();
  const restorePretrained = rememberPretrained(model);
  const before = model.stateDict();
  try {
    const plan = await planRun(model, training, dataset);
    plan.warnings.forEach((warning) => onWarning(warning));
    const rows = await prepareRows(plan, { signal, warn: onWarning });
    try {
      return await testRange(plan, rows, sweep, { signal, onStep });
    } finally {
      await rows.close();
    }
  } finally {
    removeLora(model.textEncoder); // whose names the weights before do not have
    try {
      model.loadStateDict(before);
    } finally {
      tf.dispose(before);
      restoreFrozen();
      restorePretrained();
    }
  }
}

/** Adapters that are there already could not be told from those of the test, which are removed. */
function requireNoAdapters(model: BertResNetModel): void {
  if (adaptedLayers(model).size === 0) return;
  throw new InputError(
    'findLearningRate: the model must have no adapters of its own, but its text encoder has; ' +
      'merge them (mergeLora), and pass the option lora to test new ones',
  );
}

/** What belongs to the test, and what to the run; what only ends or keeps a run plays no part. */
function resolveRange(given: FindLearningRateOptions): {
  readonly sweep: Sweep;
  readonly training: ResolvedOptions;
} {
  const ofTest = Object.entries(given).filter(([name]) => Object.hasOwn(sweepEntries, name));
  const ofRun = Object.entries(given).filter(([name]) => !Object.hasOwn(sweepEntries, name));
  const schema = v.strictObject(sweepEntries);
  const sweep = parseOptions('findLearningRate', schema, Object.fromEntries(ofTest));
  const { minLearningRate: smallest, maxLearningRate: largest } = sweep;
  if (smallest >= largest) {
    throw new InputError(
      'findLearningRate: minLearningRate must be below maxLearningRate, got ' +
        `${smallest} and ${largest}`,
    );
  }
  const training = resolveOptions(withoutKeeping(Object.fromEntries(ofRun)));
  if (training.learningRate === 0) {
    throw new InputError(
      'findLearningRate: learningRate is what the rates of the parts keep their ratio to, got 0; ' +
        'give one above 0',
    );
  }
  return { sweep, training: { ...training, ema: 0, soup: 0, earlyStopping: undefined } };
}

/** A test has no folder for adapters. */
function withoutKeeping(options: TrainingOptions): TrainingOptions {
  if (options.lora?.keepAdapter !== true) return options;
  return { ...options, lora: { ...options.lora, keepAdapter: false } };
}

async function testRange(
  plan: RunPlan,
  rows: PreparedRows,
  { minLearningRate, maxLearningRate, steps, smoothing, stopFactor }: Sweep,
  { signal, onStep }: Pick<RangeListeners, 'signal' | 'onStep'>,
): Promise<LearningRateRange> {
  const optimizer = createOptimizer(plan);
  const smoothed = new SmoothedLoss(smoothing);
  const points: RangePoint[] = [];
  let lowest = Infinity;
  let step = 0;
  try {
    for await (const { group, firstIndex } of endlessGroups(plan, rows)) {
      if (step === steps) break;
      const learningRate = sweptRate(step, steps, minLearningRate, maxLearningRate);
      step += 1;
      optimizer.learningRate = learningRate / plan.options.learningRate;
      const {
        loss,
        gradNorm,
        rows: counted,
      } = await trainStep(plan, optimizer, group, {
        firstIndex,
      });
      if (counted === 0) continue;
      if (!Number.isFinite(loss + gradNorm)) return finished(points, true);
      const point = { learningRate, loss, smoothedLoss: smoothed.next(loss) };
      points.push(point);
      lowest = Math.min(lowest, point.smoothedLoss);
      await onStep?.(point);
      signal?.throwIfAborted();
      if (point.smoothedLoss > stopFactor * lowest) return finished(points, step < steps);
      await nextTurn();
    }
    return finished(points, false);
  } finally {
    optimizer.dispose();
  }
}

function finished(points: readonly RangePoint[], diverged: boolean): LearningRateRange {
  const suggestion = steepestRate(points);
  return { ...(suggestion === undefined ? {} : { suggestion }), points, diverged };
}

/** The batches of one epoch after the other, as a run has them. */
async function* endlessGroups(plan: RunPlan, rows: PreparedRows) {
  for (let epoch = 0; ; epoch++) {
    let batch = 0;
    for await (const group of batchGroups(plan, rows.train, { epoch, batch })) {
      yield { group, firstIndex: epoch * plan.batchesPerEpoch + batch };
      batch += group.length;
    }
  }
}
