import * as v from 'valibot';
import { checkAugmentation } from '../datasets/augmentation.js';
import type { Augmentation } from '../datasets/augmentation.js';
import { InputError } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';
import { loraEntries } from '../nn/lora.js';
import type { LoraConfig, LoraOptions } from '../nn/lora.js';
import { aboveZero, atLeast, belowOne, integer, parseOptions, share } from '../schema.js';
import type { ClassWeights } from './classWeights.js';
import type { EarlyStopping } from './earlyStopping.js';
import type { FreezeOptions } from './freezing.js';
import type { ModalityDropout } from './modalityDropout.js';
import type { ModulationOptions } from './modulation.js';
import { monitors } from './monitor.js';
import type { Monitor } from './monitor.js';
import type { AuxiliaryOptions } from './rowLoss.js';
import { scheduleNames } from './schedule.js';
import type { ScheduleName } from './schedule.js';

/**
 * What decides the numbers of a run: a resumed run must be given the same. Kept in the run's
 * config.json.
 */
export interface TrainingOptions {
  /** How often every row is seen (default 5, or where no rate is given by the model: `learningRate`). */
  readonly epochs?: number;
  /** Rows of a batch (default 16). The last batch of an epoch may have fewer. */
  readonly batchSize?: number;
  /** Batches of an optimizer step (default 1): the gradient is the mean over all of their rows. */
  readonly gradientAccumulationSteps?: number;
  /**
   * The peak of the schedule. Where no rate at all is given, rates, epochs and the average of the weights are chosen by
   * what of the model is pretrained: 2e-5 for a pretrained encoder and 1e-3 for all else, 5 epochs; from random weights
   * 1e-3, 30 epochs and `ema` 0.98. Where another rate is given: 2e-5.
   */
  readonly learningRate?: number;
  /** The text encoder's own rate (default `learningRate`). */
  readonly textLearningRate?: number;
  /** The image encoder's own rate (default `learningRate`). */
  readonly imageLearningRate?: number;
  /** The rate of everything behind the encoders (default `learningRate`). */
  readonly headLearningRate?: number;
  /**
   * What each block of an encoder multiplies the rate by, from its last one down (default 1: one rate for all). 0.75 to
   * 0.95 keeps the early layers of pretrained encoders nearly as they are.
   */
  readonly layerDecay?: number;
  /** AdamW's weight decay (default 0.01). */
  readonly weightDecay?: number;
  /**
   * What is decayed: `matrices` (default) spares biases and norms, which are the parameters of rank 1 and those whose
   * name ends in `bias`; `all` spares none.
   */
  readonly decay?: 'matrices' | 'all';
  /** AdamW's first beta (default 0.9). */
  readonly beta1?: number;
  /** AdamW's second beta (default 0.999). */
  readonly beta2?: number;
  /** AdamW's epsilon, above 0 (default 1e-8). */
  readonly epsilon?: number;
  /** How the rate moves after the warm-up (default `cosine`, to 0 at the end). */
  readonly schedule?: ScheduleName;
  /** The share of all steps that warm up (default 0.1). */
  readonly warmupRatio?: number;
  /** The number of steps that warm up, instead of a share. */
  readonly warmupSteps?: number;
  /** The largest norm of the gradient (default 1); 0 does not clip. */
  readonly maxGradNorm?: number;
  /** The share of each target that is spread over all classes (default 0). */
  readonly labelSmoothing?: number;
  /**
   * What the rows of each class count in the loss (default: all the same): `balanced` for all classes the same sum, or a
   * number above 0 for each, in the order of the labels or by label.
   */
  readonly classWeights?: ClassWeights;
  /**
   * The gamma of the focal loss (default 0: cross-entropy; 2 is usual): rows that are answered well count little.
   */
  readonly focalGamma?: number;
  /**
   * R-Drop's alpha (Liang et al., 2021; default 0: not; 1 to 5 is usual): every row is answered twice, with other
   * dropout, and the answers are drawn together. The loss is half of the paper's, so that rates stay as they are. A step
   * computes what drops anything twice.
   */
  readonly rDrop?: number;
  /**
   * The parameter of mixup's Beta distribution (default 0: none; 0.2 is usual): features and labels
   * of rows are mixed in pairs before the fusion.
   */
  readonly mixup?: number;
  /**
   * With mode `both`, the probability that a row is trained with the picture of another row of its class in the batch
   * (default 0; 0.5 on few rows and frozen encoders): the fusion then sees more pairs than there are rows, and cannot
   * learn them by heart. Not for labels that say whether text and picture belong together.
   */
  readonly imageSwap?: number;
  /** What is trained: by default `both`, or the one that the data have. */
  readonly mode?: Mode;
  /**
   * With mode `both`, the heads of text alone and image alone are trained as well, so that their
   * figures mean something: what their losses count (`weight`, default 1; 0 trains them not at
   * all), and whether these reach the encoders (`reachEncoders`, default true: neither encoder is
   * then left behind where the other one learns faster; if false, the main head is trained as if it
   * were alone).
   */
  readonly auxiliary?: Partial<AuxiliaryOptions>;
  /**
   * The probability that a row with both inputs is trained as if it lacked one (default 0), either equally often, or a
   * probability for each, whose sum is at most 1: the heads of a single input are then trained for what prediction
   * meets.
   */
  readonly modalityDropout?: number | { readonly text?: number; readonly image?: number };
  /**
   * Slows down the encoder whose modality is ahead, so that the other is not starved (OGM-GE; Peng et al., 2022;
   * default: not): `{}` for its defaults, `alpha` (0.3) and `noise` (true). Needs `auxiliary.weight` above 0, since the
   * single-mode heads tell which one is ahead.
   */
  readonly gradientModulation?: Partial<ModulationOptions>;
  /**
   * Which encoders and parameters stay as they are, statistics included (default: as the model is), for the whole run,
   * or an encoder for a number of epochs. What is frozen for the whole run stays frozen after it.
   */
  readonly freeze?: FreezeOptions;
  /**
   * Thaws the encoders block by block from the last one down (default 0: all at once): the heads are trained alone
   * for so many epochs (or those that `freeze` says), then one more block every so many.
   */
  readonly gradualUnfreezing?: number;
  /**
   * Trains low-rank adapters of the text encoder in the place of its weights (LoRA; Hu et al., 2021; default: not):
   * `{}` for peft's defaults. They are merged into the weights that are saved, and into the model at the end.
   */
  readonly lora?: LoraTraining;
  /**
   * The decay of a moving average of the weights (default 0: none; from random weights without a rate 0.98; 0.999 is
   * usual): validation rests on the average, and so does the model that is kept.
   */
  readonly ema?: number;
  /**
   * The number of best epochs whose weights are averaged at the end as long as the monitored figure does not become
   * worse (default 0: none); needs validation rows.
   */
  readonly soup?: number;
  /**
   * Ends the run after `patience` epochs in a row whose monitored figure is not better than the best by more than
   * `minDelta` (default 0); needs validation rows. The best epoch is kept in any case.
   */
  readonly earlyStopping?: { readonly patience: number; readonly minDelta?: number };
  /** The number of tokens at which texts are cut (default: the model's `maxLength`, else what tokenizer and encoder take). */
  readonly maxLength?: number;
  /**
   * Puts rows whose texts are of like length into one batch (default true), so that little is padded
   * and few shapes are compiled. The order stays random: rows are shuffled, sorted within parts of
   * up to 8 batches, and the batches shuffled again. False: rows are only shuffled.
   */
  readonly groupByLength?: boolean;
  /** Random changes to texts and pictures (default none). */
  readonly augment?: Augmentation;
  /**
   * Of the order of the rows, augmentation, dropout and mixup (default 42). Equal seeds make equal
   * runs on one backend.
   */
  readonly seed?: number;
  /** The figure of the validation rows by which the best epoch is chosen (default `accuracy`). */
  readonly monitor?: Monitor;
}

/** The adapters of a run, and what becomes of them. */
export interface LoraTraining extends LoraOptions {
  /** Writes the best epoch's adapters as peft does, in `adapter/` of the run folder (default false). */
  readonly keepAdapter?: boolean;
}

/** What decides where a run is kept, how it is seen and what it costs, but not its numbers. */
export interface RunOptions {
  /** The folder of the run; without one nothing is written. */
  readonly outputDir?: string;
  /**
   * Goes on with the run in `outputDir`, exactly as if it had never stopped; where there is none,
   * starts one (default false).
   */
  readonly resume?: boolean;
  /**
   * Replaces a run that `outputDir` holds; without it (or `resume`) such a folder is refused
   * (default false).
   */
  readonly overwrite?: boolean;
  /**
   * Minutes between checkpoints within an epoch (default 10; 0 for none). One is written after each
   * epoch in any case.
   */
  readonly checkpointMinutes?: number;
  /** Optimizer steps between checkpoints within an epoch (default 0: by time alone). */
  readonly checkpointSteps?: number;
  /**
   * Trades time for memory (default false): the encoders' layers keep their inputs alone for the
   * backward pass, which computes them a second time. It may differ when a run is resumed.
   */
  readonly gradientCheckpointing?: boolean;
  /**
   * Keeps what frozen encoders compute of each row on disk, by its content and the encoder's weights
   * (default false): true in a folder that all runs of a user share
   * (`~/.cache/bertresnet/features`; in a browser one of the private file system), a path in that
   * folder. Texts and pictures each by themselves;
   * one that augmentation changes is computed in every epoch. It may differ when a run is resumed.
   */
  readonly cacheFeatures?: boolean | string;
  /** Rows at a time in validation (default 32). */
  readonly evalBatchSize?: number;
  /** How many batches are read ahead (default 2). */
  readonly prefetch?: number;
  /** Writes TensorBoard's event files into `tensorboard/` of the run folder (default false). */
  readonly tensorboard?: boolean;
  /** Added to the run's config.json as it is, such as the command line that a program was given. */
  readonly record?: Readonly<Record<string, unknown>>;
}

/** The options with every default filled in. */
export type ResolvedOptions = ResolvedTraining & ResolvedRun;

type Defaulted = Omit<
  TrainingOptions,
  | 'textLearningRate'
  | 'imageLearningRate'
  | 'headLearningRate'
  | 'warmupSteps'
  | 'mode'
  | 'maxLength'
  | 'augment'
  | 'classWeights'
  | 'earlyStopping'
  | 'modalityDropout'
  | 'gradientModulation'
  | 'lora'
>;

/** {@link TrainingOptions} with every default filled in. */
export type ResolvedTraining = Required<Omit<Defaulted, 'auxiliary'>> &
  Omit<TrainingOptions, keyof Defaulted | keyof NestedOptions> & {
    readonly auxiliary: AuxiliaryOptions;
  } & NestedOptions;

/** Those of the training options that have options, with defaults, of their own. */
export interface NestedOptions {
  readonly earlyStopping?: EarlyStopping;
  readonly modalityDropout?: ModalityDropout;
  readonly gradientModulation?: ModulationOptions;
  readonly lora?: LoraConfig & { readonly keepAdapter: boolean };
}

type ResolvedRun = Required<Omit<RunOptions, 'outputDir' | 'record'>> & RunOptions;

const frozen = v.optional(v.union([v.boolean(), integer(0)]));

const trainingEntries = {
  epochs: v.optional(integer(1), 5),
  batchSize: v.optional(integer(1), 16),
  gradientAccumulationSteps: v.optional(integer(1), 1),
  learningRate: v.optional(atLeast(0), 2e-5),
  textLearningRate: v.optional(atLeast(0)),
  imageLearningRate: v.optional(atLeast(0)),
  headLearningRate: v.optional(atLeast(0)),
  layerDecay: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 1),
  weightDecay: v.optional(atLeast(0), 0.01),
  decay: v.optional(v.picklist(['matrices', 'all']), 'matrices'),
  beta1: v.optional(belowOne, 0.9),
  beta2: v.optional(belowOne, 0.999),
  epsilon: v.optional(aboveZero, 1e-8),
  schedule: v.optional(v.picklist(scheduleNames), 'cosine'),
  warmupRatio: v.optional(share, 0.1),
  warmupSteps: v.optional(integer(0)),
  maxGradNorm: v.optional(atLeast(0), 1),
  labelSmoothing: v.optional(share, 0),
  classWeights: v.optional(
    v.union([v.literal('balanced'), v.array(aboveZero), v.record(v.string(), aboveZero)]),
  ),
  focalGamma: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(10)), 0),
  rDrop: v.optional(atLeast(0), 0),
  mixup: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(4)), 0),
  imageSwap: v.optional(share, 0),
  mode: v.optional(v.picklist(modes)),
  auxiliary: v.optional(
    v.strictObject({
      weight: v.optional(atLeast(0), 1),
      reachEncoders: v.optional(v.boolean(), true),
    }),
    {},
  ),
  modalityDropout: v.optional(
    v.union([
      v.pipe(
        share,
        v.transform((rate) => ({ text: rate / 2, image: rate / 2 })),
      ),
      v.pipe(
        v.strictObject({ text: v.optional(share, 0), image: v.optional(share, 0) }),
        v.check(({ text, image }) => text + image <= 1),
      ),
    ]),
  ),
  gradientModulation: v.optional(
    v.strictObject({ alpha: v.optional(aboveZero, 0.3), noise: v.optional(v.boolean(), true) }),
  ),
  freeze: v.optional(
    v.strictObject({
      text: frozen,
      image: frozen,
      parameters: v.optional(v.array(v.pipe(v.string(), v.nonEmpty()))),
    }),
    {},
  ),
  gradualUnfreezing: v.optional(integer(0), 0),
  lora: v.optional(v.strictObject({ ...loraEntries, keepAdapter: v.optional(v.boolean(), false) })),
  ema: v.optional(belowOne, 0),
  soup: v.optional(integer(0), 0),
  earlyStopping: v.optional(
    v.strictObject({ patience: integer(1), minDelta: v.optional(atLeast(0), 0) }),
  ),
  maxLength: v.optional(integer(2)),
  groupByLength: v.optional(v.boolean(), true),
  augment: v.optional(
    v.custom<Augmentation>((value) => typeof value === 'object' && value !== null),
  ),
  seed: v.optional(integer(0), 42),
  monitor: v.optional(v.picklist(monitors), 'accuracy'),
};

const runEntries = {
  outputDir: v.optional(v.pipe(v.string(), v.nonEmpty())),
  resume: v.optional(v.boolean(), false),
  overwrite: v.optional(v.boolean(), false),
  checkpointMinutes: v.optional(atLeast(0), 10),
  checkpointSteps: v.optional(integer(0), 0),
  gradientCheckpointing: v.optional(v.boolean(), false),
  cacheFeatures: v.optional(v.union([v.boolean(), v.pipe(v.string(), v.nonEmpty())]), false),
  evalBatchSize: v.optional(integer(1), 32),
  prefetch: v.optional(integer(0), 2),
  tensorboard: v.optional(v.boolean(), false),
  record: v.optional(v.record(v.string(), v.unknown())),
};

const schema = v.strictObject({ ...trainingEntries, ...runEntries });

/** The names of the options that decide the numbers of a run. */
export const trainingOptionNames = Object.keys(trainingEntries) as (keyof TrainingOptions)[];

/**
 * Checks options and fills in the defaults.
 *
 * @throws InputError naming every option that is unknown or out of its range.
 */
export function resolveOptions(options: TrainingOptions & RunOptions): ResolvedOptions {
  const resolved = parseOptions('trainer', schema, options, unions) as ResolvedOptions;
  requireFolder(resolved);
  requireHeads(resolved);
  requireAdapters(resolved);
  if (resolved.augment !== undefined) checkAugmentation(resolved.augment);
  return resolved;
}

function requireHeads({ gradientModulation, auxiliary }: ResolvedOptions): void {
  if (gradientModulation === undefined || auxiliary.weight > 0) return;
  throw new InputError(
    'trainer: gradientModulation compares the heads of text and image, but auxiliary.weight is 0, which does not ' +
      'train them; leave auxiliary as it is',
  );
}

function requireAdapters({ lora, freeze, outputDir, soup }: ResolvedOptions): void {
  if (lora === undefined) return;
  if (freeze.text === true) {
    throw new InputError(
      'trainer: lora trains adapters of the text encoder, but freeze.text is true; leave one of them out',
    );
  }
  if (!lora.keepAdapter || (outputDir !== undefined && soup === 0)) return;
  throw new InputError(
    'trainer: lora.keepAdapter writes the adapters of the best epoch to the folder of the run, got ' +
      `${soup === 0 ? 'no outputDir; pass one' : `a soup of ${soup}, which is of several; pass soup: 0`}`,
  );
}

function requireFolder({ outputDir, resume, overwrite, tensorboard }: ResolvedOptions): void {
  if (tensorboard && outputDir === undefined) {
    throw new InputError(
      'trainer: tensorboard writes into the folder of the run, got none; pass its outputDir',
    );
  }
  if (resume && outputDir === undefined) {
    throw new InputError(
      'trainer: resume goes on with the run of a folder, got none; pass its outputDir',
    );
  }
  if (resume && overwrite) {
    throw new InputError(
      'trainer: resume and overwrite contradict each other, got both; pass one of them',
    );
  }
}

/** What options that may be of several kinds are. */
const unions: Readonly<Record<string, string>> = {
  classWeights: "'balanced', a number above 0 for each class, or one by label",
  freeze: 'true, false, or a number of epochs',
  modalityDropout: 'a probability, or { text, image } whose sum is at most 1',
  cacheFeatures: 'true, false, or a folder',
};
