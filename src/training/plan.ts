import type * as tf from '@tensorflow/tfjs-core';
import { requireOwnPictures } from '../datasets/batch.js';
import type { Dataset } from '../datasets/example.js';
import { InputError } from '../errors.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import { hashKey } from '../nn/random.js';
import { cachedInputs } from './cachedInputs.js';
import type { Input } from './cachedInputs.js';
import { resolveClassWeights } from './classWeights.js';
import { freezeForEpoch, freezeForRun } from './freezing.js';
import { fingerprint, optionsIdentity } from './identity.js';
import type { RunIdentity } from './identity.js';
import { resolveMode } from './mode.js';
import { AdamW } from './optimizer.js';
import type { ResolvedOptions } from './options.js';
import { parameterRates } from './rates.js';
import { labelMap } from './rowLoss.js';

/** What a run is, settled before its first step. */
export interface RunPlan {
  readonly model: BertResNetModel;
  readonly options: ResolvedOptions;
  readonly train: Dataset;
  readonly validation?: Dataset;
  readonly mode: Mode;
  /** From a row's class in the training set to the model's. */
  readonly toClass: (label: number) => number;
  /** What the rows of each class count in the loss; absent where all count the same. */
  readonly classWeights?: Float32Array;
  /** The parameters that are trained in some epoch, by PyTorch name. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly batchesPerEpoch: number;
  readonly totalSteps: number;
  readonly warmupSteps: number;
  /** The inputs whose features are kept on disk. */
  readonly cached: readonly Input[];
  /** What is suspicious, but no error. */
  readonly warnings: readonly string[];
  readonly identity: RunIdentity;
}

/**
 * Settles a run, and refuses what could not be trained. The model's encoders are frozen as the
 * options say.
 *
 * @throws InputError where the data do not fit the model or the mode.
 */
export async function planRun(
  model: BertResNetModel,
  options: ResolvedOptions,
  train: Dataset,
  validation?: Dataset,
): Promise<RunPlan> {
  const mode = await resolveMode('trainer', model, train, options.mode);
  const toClass = labelMap('trainer', train, model.labels);
  requireLabels(train);
  if (validation !== undefined) requireValidation(validation, model.labels);
  requireValidationFor(options, validation);
  requireCrossEntropy(model, options);
  requirePooled(model, options);
  if (options.augment && mode !== 'text') {
    requireOwnPictures(options.augment, model.extractors.image);
  }
  const classWeights = await resolveClassWeights(
    options.classWeights,
    model.labels,
    train,
    toClass,
  );
  const parameters = freezeForRun(model, options);
  requireTrained(freezeForEpoch(parameters, 0, options));
  freezeForEpoch(parameters, Infinity, options);
  const { inputs: cached, warnings } = cachedInputs(model, mode, options);
  const batchesPerEpoch = Math.ceil(train.size / options.batchSize);
  const totalSteps =
    options.epochs * Math.ceil(batchesPerEpoch / options.gradientAccumulationSteps);
  const warmupSteps = options.warmupSteps ?? Math.ceil(totalSteps * options.warmupRatio);
  const identity = {
    ...optionsIdentity(options, warmupSteps),
    mode,
    labels: model.labels,
    train: await fingerprint(train),
    validation: validation === undefined ? null : await fingerprint(validation),
    parameters: hashShapes(parameters),
  };
  return {
    model,
    options,
    train,
    validation,
    mode,
    toClass,
    classWeights,
    parameters,
    batchesPerEpoch,
    totalSteps,
    warmupSteps,
    cached,
    warnings,
    identity,
  };
}

/** What changes the form of cross-entropy, where the fusion has another loss. */
function requireCrossEntropy({ fusion }: BertResNetModel, { focalGamma }: ResolvedOptions): void {
  if (focalGamma === 0 || fusion.usesCrossEntropy) return;
  throw new InputError(
    `trainer: focalGamma changes cross-entropy, and the fusion '${fusion.config.type}' has a loss of its own, ` +
      `got focalGamma ${focalGamma}; leave it out, or take another fusion`,
  );
}

/** What works on the vectors of texts and pictures, where the fusion reads tokens and regions instead. */
function requirePooled({ fusion }: BertResNetModel, { gradientModulation }: ResolvedOptions): void {
  if (gradientModulation === undefined || fusion.needs === 'pooled') return;
  throw new InputError(
    'trainer: gradientModulation modulates the pooled features, and the fusion ' +
      `'${fusion.config.type}' reads ${fusion.needs}; leave it out, or take another fusion`,
  );
}

/** What rests on the figures of validation rows. */
function requireValidationFor(options: ResolvedOptions, validation?: Dataset): void {
  if (validation !== undefined) return;
  const asked = [
    ...(options.earlyStopping === undefined ? [] : ['earlyStopping']),
    ...(options.soup === 0 ? [] : ['soup']),
  ];
  if (asked.length === 0) return;
  throw new InputError(
    `trainer: ${asked.join(' and ')} must have validation rows to go by, got none; ` +
      'pass fit(train, { validation })',
  );
}

function requireTrained(parameters: ReadonlyMap<string, tf.Variable>): void {
  if (parameters.size > 0) return;
  throw new InputError(
    'trainer: some parameters must be trained, but all are frozen; see freeze and gradualUnfreezing',
  );
}

function requireValidation(validation: Dataset, labels: readonly string[]): void {
  if (validation.size === 0)
    throw new InputError(`trainer: ${validation.name} must have rows, got none`);
  labelMap('trainer', validation, labels);
  requireLabels(validation);
}

/**
 * Where the labels are known without reading the rows; elsewhere the batch with such a row stops.
 */
function requireLabels(dataset: Dataset): void {
  if (dataset.labelOf === undefined) return;
  for (let position = 0; position < dataset.size; position++) {
    if (dataset.labelOf(position) !== -1) continue;
    const row = dataset.describe(position);
    throw new InputError(`trainer: every row must have a label, got none in ${row}`);
  }
}

function hashShapes(parameters: ReadonlyMap<string, tf.Variable>): string {
  const shapes = [...parameters].map(([name, { shape }]) => `${name} ${shape.join(' ')}`);
  return `${shapes.length} trained, ${hashKey(...shapes).toString(16)}`;
}

/**
 * AdamW with a rate for each part of the model. Its own `learningRate` is the schedule's factor:
 * the rates are in `rates`, so that any of them may be 0.
 */
export function createOptimizer({ model, options, parameters }: RunPlan): AdamW {
  const { weightDecay, decay, beta1, beta2, epsilon } = options;
  const named = parameterRates(model.namedParameters().keys(), options);
  const rates = new Map([...parameters].map(([name, { name: own }]) => [own, named.get(name)!]));
  return new AdamW({
    learningRate: 1,
    weightDecay,
    beta1,
    beta2,
    epsilon,
    decays: (_, variable) => decay === 'all' || variable.rank >= 2,
    rates: (name) => rates.get(name)!,
  });
}
