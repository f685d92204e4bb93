import { InputError, checkFusion } from '../index.js';
import type { FusionConfig, LoraTraining, TrainingOptions } from '../index.js';
import { dataOptions, labelOptions } from './data.js';
import { engineOptions } from './engine.js';
import {
  choice,
  choices,
  flag,
  integer,
  nameOrJson,
  number,
  optionName,
  optionalText,
  readPairs,
  shares,
  text,
} from './options.js';
import type { Values } from './options.js';

/** Which rows a run reads. */
export const rowOptions = {
  val: text('FILE', 'The rows that choose the best epoch'),
  valFraction: number('Without --val: the share of the rows held out for it (default 0.2)', 0, 0.9),
  exclude: text('FILE', 'Leave out the rows whose text and picture both stand in this CSV'),
  ...dataOptions,
  ...labelOptions,
};

/** What is trained. */
export const modelOptions = {
  text: text(
    'SOURCE',
    'The text encoder: a folder or hub id (default google-bert/bert-base-uncased), or transformers:ID',
  ),
  image: text(
    'SOURCE',
    'The visual encoder: a folder, hub id or resnet18 to 152 (default resnet50), or transformers:ID',
  ),
  scratch: flag('Random weights: --text and --image are then a known size or a config.json'),
  tokenizer: text('SOURCE', 'A folder, hub id or vocab.txt; needed with --scratch'),
  imageSize: integer('The side of the pictures, in pixels (default: as the visual encoder says)'),
  pooling: choices(
    ['cls', 'mean', 'max'],
    'What of the text encoder is used, one or several (default cls; of transformers:ID mean)',
  ),
  imagePooling: choices(
    ['mean', 'max'],
    'What of the visual encoder is used, one or both (default mean)',
  ),
  fusion: nameOrJson(
    'NAME|JSON',
    'How features are joined: mlp (default), late, gmu and others, or with options {"type":"gmu",...}: docs/fusions.md',
    (fusion) => checkFusion(fusion as string | FusionConfig),
  ),
  hiddenSize: integer("The width of the fusion's hidden layer (default 512)"),
};

/** How it is trained: what decides the numbers of a run, beside its rows and its model. */
export const trainingOptions = {
  notebook: flag('The recipe of the original PyTorch notebook; other options change it'),
  mode: choice(['text', 'image', 'both'], 'What is trained (default: what the rows have)'),
  epochs: integer('How often every row is seen (default 5; from random weights 30)'),
  batchSize: integer('Rows of a batch (default 16)'),
  accumulate: integer('Batches of an optimizer step (default 1)'),
  learningRate: number(
    'The peak of the schedule (default: 2e-5 for what is pretrained, else 1e-3)',
  ),
  textLearningRate: number("The text encoder's own (default: --learning-rate)"),
  imageLearningRate: number("The visual encoder's own (default: --learning-rate)"),
  headLearningRate: number('That of everything behind the encoders (default: --learning-rate)'),
  layerDecay: number(
    'What each encoder block below the last multiplies the rate by (default 1; 0.75 to 0.95 is usual)',
    0,
    1,
  ),
  schedule: choice(['cosine', 'linear', 'constant'], 'How the rate falls (default cosine, to 0)'),
  warmup: number('The share of the steps in which the rate rises (default 0.1)', 0, 1),
  warmupSteps: integer('The number of steps in which the rate rises, in the place of --warmup', 0),
  weightDecay: number("AdamW's weight decay (default 0.01)"),
  decay: choice(['matrices', 'all'], 'What is decayed (default matrices: no biases, no norms)'),
  beta1: number("AdamW's first beta (default 0.9)", 0, 0.999999),
  beta2: number("AdamW's second beta (default 0.999)", 0, 0.999999),
  epsilon: number("AdamW's epsilon (default 1e-8)"),
  maxGradNorm: number('The largest norm of a gradient (default 1; 0 does not clip)'),
  labelSmoothing: number('The share of a target that is spread over all labels (default 0)', 0, 1),
  classWeights: text(
    'balanced|LABEL=N,...',
    'What rows count in the loss by their label (default: all the same)',
  ),
  focal: number('The gamma of the focal loss (default 0: cross-entropy; 2 is usual)', 0, 10),
  rDrop: number("R-Drop's alpha (default 0: rows are answered once; 1 to 5 is usual)"),
  mixup: number("The parameter of mixup's Beta distribution (default 0: none)", 0, 4),
  imageSwap: number(
    'How often a row is trained with the picture of another row of its label (default 0)',
    0,
    1,
  ),
  augment: text(
    'none|crop|FILE',
    'Random changes to rows: crop (crops and flips, as the notebook) or a JSON file of options (default none)',
  ),
  freeze: choice(['text', 'image', 'both'], 'Encoders that stay as they are (default: none)'),
  freezeEpochs: integer('With --freeze: for so many epochs alone (default: for all)'),
  freezeParameters: text(
    'PATTERN,...',
    "Parameters that stay as they are: 'text_encoder.embeddings.*,*.bias'",
  ),
  unfreeze: integer('Thaw one more encoder block from the last every so many epochs'),
  ema: number(
    'The decay of a moving average of the weights, which is kept (default: none; from random weights without a rate 0.98)',
    0,
    1,
  ),
  soup: integer('Average the best epochs at the end, as far as it helps: at most so many'),
  patience: integer('End after so many epochs without a better figure (default: never)'),
  minDelta: number('With --patience: what a better figure is better by, at least (default 0)'),
  auxiliary: number('What the losses of text alone and image alone count (default 1; 0: nothing)'),
  modalityDropout: shares(
    ['text', 'image'],
    'The share of the rows with both inputs that are trained as if they lacked one, either equally often, or a ' +
      'share for each: text=0.5 (default 0)',
  ),
  modulate: flag('Slow down the encoder that is ahead, so that the other is not starved (OGM-GE)'),
  auxiliaryDetached: flag('Keep those losses out of the encoders'),
  lora: integer(
    'Train low-rank adapters of the text encoder, of this rank, in its place (8 is usual)',
  ),
  loraAlpha: number('With --lora: what is added counts alpha / rank (default 8)'),
  loraDropout: number('With --lora: the dropout of what enters an adapter (default 0)', 0, 0.99),
  loraTargets: text('NAME,...', 'With --lora: the layers that get one (default query,value)'),
  keepAdapter: flag("With --lora: keep the best epoch's adapters, as peft does, in RUN/adapter"),
  maxLength: integer(
    "The longest text, in tokens (default: the model's, else what tokenizer and encoder take)",
    2,
  ),
  ungrouped: flag('Shuffle rows whatever their length (default: like lengths share a batch)'),
  monitor: choice(
    ['accuracy', 'macroF1', 'weightedF1', 'auc', 'loss', 'ece'],
    'The figure that chooses the best epoch (default accuracy)',
  ),
  seed: integer('Of weights, order, augmentation and dropout (default 42)', 0),
};

/** Where a run is kept and what it costs. */
export const runOptions = {
  config: text(
    'FILE',
    'Options from the config.json of a run, or of tune; those that are given beside it come first',
  ),
  out: text(
    'FOLDER',
    'The run folder (default: the first of results/run1, run2, ... that is free)',
  ),
  resume: optionalText(
    'RUN',
    'Go on with an interrupted run, exactly, with the options it was started with (default: that of --out)',
  ),
  overwrite: flag('Replace the run that --out holds'),
  gradientCheckpointing: flag('Less memory for more time: encoder layers are computed twice'),
  cacheFeatures: optionalText(
    'FOLDER',
    'Keep what frozen encoders compute of each row on disk (default: where all runs share it)',
  ),
  checkpointMinutes: number('Minutes between checkpoints within an epoch (default 10; 0: none)'),
  checkpointSteps: integer(
    'Steps between checkpoints within an epoch (default 0: by time alone)',
    0,
  ),
  evalBatchSize: integer('Rows that are answered at once in validation (default 32)'),
  tensorboard: flag("Write TensorBoard's event files to RUN/tensorboard"),
  noReport: flag('Write no report.html, and look for no leakage'),
  json: flag('Print the best figures as JSON on stdout, and nothing else there'),
};

/** Every option of `train`. */
export const options = {
  ...rowOptions,
  ...modelOptions,
  ...trainingOptions,
  ...runOptions,
  ...engineOptions,
};

/** The options of `train` as they were given. */
export type TrainValues = Values<typeof options>;

/** Those that say where things are or how the run is seen: they may differ when a run is resumed. */
export const resumable: readonly (keyof TrainValues)[] = [
  ...(['val', 'exclude', 'text', 'image', 'tokenizer', 'augment', 'allowOutside'] as const),
  ...([
    'resume',
    'checkpointMinutes',
    'checkpointSteps',
    'evalBatchSize',
    'gradientCheckpointing',
    'cacheFeatures',
    'tensorboard',
    'noReport',
    'json',
    'backend',
    'executionProvider',
    'threads',
  ] as const),
];

/** Options that name a file or a folder. */
export const pathOptions: readonly (keyof TrainValues)[] = [
  ...(['val', 'exclude', 'text', 'image', 'tokenizer', 'augment', 'cacheFeatures'] as const),
];

/** What the trainer is told; what was not given is left to it. */
export function trainingOf(values: TrainValues): TrainingOptions {
  const { warmup, accumulate, auxiliary: weight, auxiliaryDetached } = values;
  const reachEncoders = auxiliaryDetached ? false : undefined;
  const auxiliary = defined({ weight, reachEncoders });
  const { epochs, batchSize, learningRate, textLearningRate, imageLearningRate } = values;
  const { headLearningRate, schedule, weightDecay, maxGradNorm, labelSmoothing } = values;
  const { rDrop, mixup, imageSwap } = values;
  const { mode, maxLength, monitor, seed, ungrouped, layerDecay, focal, ema, soup } = values;
  const { unfreeze, classWeights, modalityDropout: dropout, modulate } = values;
  const { warmupSteps, decay, beta1, beta2, epsilon } = values;
  return defined({
    ...{ epochs, batchSize, learningRate, textLearningRate, imageLearningRate, headLearningRate },
    ...{
      schedule,
      weightDecay,
      maxGradNorm,
      labelSmoothing,
      rDrop,
      mixup,
      imageSwap,
      mode,
      maxLength,
      monitor,
      seed,
    },
    ...{ layerDecay, ema, soup, focalGamma: focal, gradualUnfreezing: unfreeze },
    ...{ warmupSteps, decay, beta1, beta2, epsilon },
    classWeights: classWeights === undefined ? undefined : readClassWeights(classWeights),
    modalityDropout: typeof dropout === 'string' ? readPairs(dropout) : dropout,
    gradientModulation: modulate ? {} : undefined,
    earlyStopping: stoppingOf(values),
    warmupRatio: warmup,
    groupByLength: ungrouped ? false : undefined,
    gradientAccumulationSteps: accumulate,
    auxiliary: Object.keys(auxiliary).length === 0 ? undefined : auxiliary,
    freeze: freezeOf(values),
    lora: loraOf(values),
  });
}

/** @throws InputError where a smallest improvement is given without the patience that it counts for */
function stoppingOf({ patience, minDelta }: TrainValues): TrainingOptions['earlyStopping'] {
  if (patience !== undefined) return defined({ patience, minDelta });
  if (minDelta === undefined) return undefined;
  throw new InputError('train: --min-delta needs --patience, the epochs without improvement');
}

/** @throws InputError where an option of adapters is given without them */
function loraOf(values: TrainValues): LoraTraining | undefined {
  const { lora: r, loraAlpha, loraDropout, loraTargets, keepAdapter } = values;
  const more = { loraAlpha, loraDropout, loraTargets, keepAdapter };
  const given = Object.entries(more).find(([, value]) => value !== undefined && value !== false);
  if (r === undefined && given === undefined) return undefined;
  if (r === undefined)
    throw new InputError(`train: --${optionName(given![0])} needs --lora, the rank of adapters`);
  const targetModules = loraTargets?.split(',');
  return defined({ r, alpha: loraAlpha, dropout: loraDropout, targetModules, keepAdapter });
}

function freezeOf({ freeze, freezeEpochs, freezeParameters }: TrainValues) {
  const encoders = freeze === undefined ? {} : encodersOf(freeze, freezeEpochs ?? true);
  const frozen = { ...encoders, ...defined({ parameters: freezeParameters?.split(',') }) };
  return Object.keys(frozen).length === 0 ? undefined : frozen;
}

function encodersOf(freeze: 'text' | 'image' | 'both', span: true | number) {
  return { text: freeze !== 'image' && span, image: freeze !== 'text' && span };
}

/** `balanced`, or `good=1,bad=2.5`. @throws InputError where it is neither */
function readClassWeights(given: string): 'balanced' | Record<string, number> {
  if (given === 'balanced') return given;
  const weights = readPairs(given);
  if (weights && Object.values(weights).every((weight) => weight > 0)) return weights;
  throw new InputError(
    `train: --class-weights must be balanced or LABEL=NUMBER,... with each label once and numbers above 0, got '${given}'`,
  );
}

/** An object without the fields that are undefined, so that it can be spread over defaults. */
export function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
