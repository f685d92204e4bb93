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
import { fingerprint, modelIdentity, optionsIdentity } from './identity.js';
import type { RunIdentity } from './identity.js';
import { requireRowsFor, resolveMode } from './mode.js';
import { AdamW } from './optimizer.js';
import type { ResolvedOptions } from './options.js';
import { parameterRates } from './rates.js';
import { labelMap, listLabels } from './rowLoss.js';

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
  await requireRowsFor('trainer', train, mode);
  if (validation !== undefined) {
    requireValidation(validation, model.labels);
    await requireRowsFor('trainer', validation, mode);
    requireMonitor(options, validation, model.labels);
  }
  requireValidationFor(options, validation);
  requireCrossEntropy(model, options);
  requireAuxiliary(model, options, mode);
  requireBoth(options, mode);
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
  requireEncoders(parameters, options);
  freezeForEpoch(parameters, Infinity, options);
  const { inputs: cached, warnings } = cachedInputs(model, mode, options);
  const batchesPerEpoch = Math.ceil(train.size / options.batchSize);
  const totalSteps =
    options.epochs * Math.ceil(batchesPerEpoch / options.gradientAccumulationSteps);
  const warmupSteps = options.warmupSteps ?? Math.ceil(totalSteps * options.warmupRatio);
  const identity = {
    ...optionsIdentity(options, warmupSteps),
    ...modelIdentity(model),
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

/** What the fusion's losses of the single modes are for. */
function requireAuxiliary(
  { fusion }: BertResNetModel,
  { auxiliary }: ResolvedOptions,
  mode: Mode,
): void {
  if (mode !== 'both' || auxiliary.weight > 0 || !fusion.needsAuxiliary) return;
  throw new InputError(
    `trainer: the fusion '${fusion.config.type}' needs the losses of text alone and image alone, got ` +
      'auxiliary.weight 0; leave auxiliary as it is, or take another fusion',
  );
}

/** What is about two inputs, where one alone is trained. */
function requireBoth(options: ResolvedOptions, mode: Mode): void {
  if (mode === 'both') return;
  const { imageSwap, modalityDropout, gradientModulation } = options;
  const dropped = modalityDropout !== undefined && modalityDropout.text + modalityDropout.image > 0;
  const asked = [
    ...(imageSwap > 0 ? ['imageSwap'] : []),
    ...(dropped ? ['modalityDropout'] : []),
    ...(gradientModulation === undefined ? [] : ['gradientModulation']),
  ];
  if (asked.length === 0) return;
  throw new InputError(
    `trainer: ${asked.join(' and ')} must have rows with a text and a picture, got mode '${mode}'; ` +
      "leave it out, or train mode 'both'",
  );
}

/** What changes the gradients of encoders, where none is trained. */
function requireEncoders(
  parameters: ReadonlyMap<string, tf.Variable>,
  { gradientModulation }: ResolvedOptions,
): void {
  const ofEncoder = (name: string): boolean => /^(text|visual)_encoder\./.test(name);
  if (gradientModulation === undefined || [...parameters.keys()].some(ofEncoder)) return;
  throw new InputError(
    'trainer: gradientModulation slows down an encoder, but both are frozen; leave it out, or train one of them',
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

/** The figure that chooses the best epoch must be defined, where that can be seen without reading the rows. */
function requireMonitor(
  { monitor }: ResolvedOptions,
  validation: Dataset,
  labels: readonly string[],
): void {
  if (monitor !== 'auc' || validation.labelOf === undefined) return;
  const toClass = labelMap('trainer', validation, labels);
  const present = new Set<number>();
  for (let position = 0; position < validation.size; position++)
    present.add(toClass(validation.labelOf(position)));
  const missing = labels.filter((_, label) => !present.has(label));
  if (missing.length === 0) return;
  throw new InputError(
    `trainer: monitor 'auc' must have validation rows of every label, got none of ${listLabels(missing)} in ` +
      `${validation.name}; take another monitor, or other validation rows`,
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
  const biased = [...parameters].filter(([name]) => name.endsWith('bias'));
  const biases = new Set(biased.map(([, { name: own }]) => own));
  return new AdamW({
    learningRate: 1,
    weightDecay,
    beta1,
    beta2,
    epsilon,
    decays: (name, { rank }) => decay === 'all' || (rank >= 2 && !biases.has(name)),
    rates: (name) => rates.get(name)!,
  });
}
