import type { Dataset } from '../datasets/example.js';
import { InputError } from '../errors.js';
import type { BertResNetModel } from '../model.js';
import { adaptedLayers, mergeLora } from '../nn/lora.js';
import { configOf, trainingOf } from './config.js';
import { defaultsFor, rememberPretrained } from './defaults.js';
import type { ModelDefaults } from './defaults.js';
import { requireDataset } from './evaluate.js';
import type { EvaluationReport } from './evaluate.js';
import { resolveOptions } from './options.js';
import type { ResolvedOptions, RunOptions, TrainingOptions } from './options.js';
import type { RunPlan } from './plan.js';
import type { ProgressReporter } from './progress.js';
import type { EpochRecord, StepRecord } from './records.js';
import type { RunFolder } from './runFolder.js';
import type { TensorBoardWriter } from './tensorBoard.js';

/** Who is told how a run goes. */
export interface TrainerListeners {
  /** Called after each optimizer step, and waited for; what it throws stops the run. */
  readonly onStep?: (record: StepRecord) => void | Promise<void>;
  /**
   * Called after each epoch, once its checkpoint is written, and waited for; with the full report on
   * the validation rows, where there are any.
   */
  readonly onEpoch?: (record: EpochRecord, report?: EvaluationReport) => void | Promise<void>;
}

/** Options of a {@link Trainer}. */
export interface TrainerOptions extends TrainingOptions, RunOptions, TrainerListeners {
  /**
   * `true` shows a bar on a terminal (stderr) and plain lines elsewhere; a reporter is told
   * instead; default false: nothing is shown.
   */
  readonly progress?: boolean | ProgressReporter;
  /**
   * Told what is suspicious but no error, such as validation rows that are trained on; default
   * `console.warn`.
   */
  readonly onWarning?: (warning: string) => void;
}

/** Options of {@link Trainer.fit}. */
export interface FitOptions extends TrainerListeners {
  /** The rows that tell the best epoch; without them the last epoch is kept. */
  readonly validation?: Dataset;
  /** Stops the run after the step under way: see {@link Trainer.fit}. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a model on a data set: AdamW, a learning rate schedule with warm-up, gradient clipping and
 * accumulation, validation after each epoch, checkpoints.
 *
 * With `outputDir`, the folder of the run holds `config.json` (all that is needed to run it again),
 * `history.jsonl` (a line a step and a line an epoch), `checkpoint/last.safetensors`, `model/` (the
 * best epoch) and `metrics.json` (its figures on the validation rows).
 *
 * ```ts
 * const trainer = new Trainer(model, { epochs: 5, learningRate: 2e-5, outputDir: 'results/run1' });
 * const history = await trainer.fit(train, { validation });
 * ```
 */
export class Trainer {
  readonly model: BertResNetModel;
  readonly #given: TrainingOptions & RunOptions;
  #options: ResolvedOptions;
  #defaults: ModelDefaults;
  readonly #listeners: TrainerListeners;
  readonly #progress: boolean | ProgressReporter;
  readonly #warn: (warning: string) => void;

  /** @throws InputError naming every option that is unknown or out of its range. */
  constructor(model: BertResNetModel, options: TrainerOptions = {}) {
    const { onStep, onEpoch, progress = false, onWarning = console.warn, ...rest } = options;
    this.model = model;
    this.#given = rest;
    this.#defaults = defaultsFor(model, rest);
    this.#options = resolveOptions({ ...rest, ...this.#defaults });
    this.#listeners = { onStep, onEpoch };
    this.#progress = progress;
    this.#warn = onWarning;
  }

  /**
   * The options with every default filled in; for a run that goes on, what was not given is as it began, once `fit` has
   * been called.
   */
  get options(): ResolvedOptions {
    return this.#options;
  }

  /**
   * Trains, and leaves the best epoch's weights in the model: the best by `monitor` on the
   * validation rows, or the last one where there are none.
   *
   * Aborting the signal ends the run after the step under way: a checkpoint is written (with
   * `outputDir`), and `fit` rejects with the signal's reason; `resume: true` goes on from there
   * with the numbers that an uninterrupted run has. So it does after a crash, from the last
   * checkpoint that was written. A resumed run must be given equal data and labels, and of the options equal ones or
   * none; with the schedule `constant` (and `warmupSteps`), more epochs may be asked for.
   *
   * @returns a record for each epoch, those before a resumption included.
   * @throws InputError before any work where the data, the model and the options do not fit.
   * @throws DivergedError where the loss, the gradient, the weights or the answers to validation rows become NaN or
   * infinite; the model is put back to the last checkpoint.
   */
  async fit(
    train: Dataset,
    { validation, signal, onStep, onEpoch }: FitOptions = {},
  ): Promise<EpochRecord[]> {
    signal?.throwIfAborted();
    requireDataset('trainer', 'rows', train);
    if (validation !== undefined) requireDataset('trainer', 'validation rows', validation);
    requireNoAdapters(this.model);
    await this.#takeOver();
    const { textEncoder } = this.model;
    const restorePretrained = rememberPretrained(this.model);
    const restoreFrozen = textEncoder.rememberFrozen();
    try {
      return await this.#run(train, { validation, signal, onStep, onEpoch });
    } finally {
      restorePretrained();
      if (this.options.lora !== undefined) {
        mergeLora(textEncoder);
        restoreFrozen();
      }
    }
  }

  async #run(
    train: Dataset,
    { validation, signal, onStep, onEpoch }: FitOptions,
  ): Promise<EpochRecord[]> {
    const { TrainingRun, chooseProgress, duplicateRows, planRun } = await import('./fit.js');
    const plan = await planRun(this.model, this.options, train, validation);
    if (validation !== undefined) {
      this.#warnOfDuplicates(duplicateRows(train, validation), train, validation);
    }
    plan.warnings.forEach((warning) => this.#warn(warning));
    const folder = await this.#openFolder();
    try {
      if (folder !== undefined) await this.#prepareFolder(folder, plan);
      const board = await this.#openBoard();
      this.#describe(plan);
      const run = new TrainingRun(plan, folder, {
        signal,
        warn: this.#warn,
        defaults: this.#defaults,
        progress: await chooseProgress(this.#progress),
        onStep: both(board?.onStep, both(this.#listeners.onStep, onStep)),
        onEpoch: both(board?.onEpoch, both(this.#listeners.onEpoch, onEpoch)),
      });
      return await run.run();
    } finally {
      folder?.close();
    }
  }

  /**
   * A run that goes on has the options that it began with, whatever the defaults are by now: those of an earlier version
   * differ, and so do those of a model that was loaded from the run.
   */
  async #takeOver(): Promise<void> {
    const { outputDir, resume } = this.options;
    if (!resume || outputDir === undefined) return;
    const { RunFolder } = await import('./runFolder.js');
    const folder = new RunFolder(outputDir);
    if (!(await folder.canResume())) return;
    const begun = trainingOf(await folder.readJson('config.json'));
    if (begun === undefined) return;
    const given = Object.entries(this.#given).filter(([, value]) => value !== undefined);
    this.#defaults = {};
    this.#options = resolveOptions({ ...begun, ...Object.fromEntries(given) });
  }

  /** What the model says of itself from now on. */
  #describe({ mode, options }: RunPlan): void {
    const { model } = this;
    model.calibration = undefined; // of weights that will be no more
    model.maxLength = options.maxLength ?? model.maxLength;
    model.trainedMode = mode === 'both' ? undefined : mode;
  }

  async #openBoard(): Promise<TensorBoardWriter | undefined> {
    const { outputDir, tensorboard } = this.options;
    if (!tensorboard) return undefined;
    const { TensorBoardWriter } = await import('./tensorBoard.js');
    return new TensorBoardWriter(`${outputDir}/tensorboard`);
  }

  #warnOfDuplicates(count: number, train: Dataset, validation: Dataset): void {
    if (count === 0) return;
    this.#warn(
      `trainer: ${count} of the ${validation.size} rows of ${validation.name} are also in ` +
        `${train.name}, so its figures say how well they are remembered; ` +
        'leave them out of the training (exclude)',
    );
  }

  /** The run's folder, which is this run's alone until it is closed. */
  async #openFolder(): Promise<RunFolder | undefined> {
    const { outputDir } = this.options;
    if (outputDir === undefined) return undefined;
    const { RunFolder } = await import('./runFolder.js');
    const folder = new RunFolder(outputDir);
    await folder.open();
    return folder;
  }

  /** Empties the folder for a new run, unless there is one to go on with. */
  async #prepareFolder(folder: RunFolder, plan: RunPlan): Promise<void> {
    const { resume, overwrite } = this.options;
    const { path: outputDir } = folder;
    const held = await folder.holds();
    if (resume && (await folder.canResume())) return;
    if (resume) await this.#requireNothingLost(folder);
    if (resume && held === undefined)
      this.#warn(`trainer: ${outputDir} holds no run to resume; a new one begins`);
    if (!resume && !overwrite && held !== undefined) {
      throw new InputError(
        `trainer: outputDir must not hold a run yet, but ${outputDir} has ${held}; ` +
          'pass resume: true to go on with it, overwrite: true to replace it, or another folder',
      );
    }
    await folder.start();
    await folder.writeJson('config.json', configOf(plan, this.#defaults));
  }

  /** A run has a checkpoint before it has a model; where only the model is left, a new run would replace it. */
  async #requireNothingLost(folder: RunFolder): Promise<void> {
    const kept = await folder.holdsResult();
    if (kept === undefined) return;
    throw new InputError(
      `trainer: resume needs ${folder.checkpoint}, which is missing, and a new run would replace ` +
        `${folder.path}/${kept}; pass overwrite: true without resume to begin anew there, or name another folder`,
    );
  }
}

/** Adapters that are not the run's own would be missing in what it keeps, which is merged. */
function requireNoAdapters(model: BertResNetModel): void {
  if (adaptedLayers(model).size === 0) return;
  throw new InputError(
    'trainer: the model must have no adapters of its own, but its text encoder has; ' +
      'merge them (mergeLora), and pass the option lora to train new ones',
  );
}

function both<T extends unknown[]>(
  first: ((...args: T) => void | Promise<void>) | undefined,
  second: ((...args: T) => void | Promise<void>) | undefined,
): (...args: T) => Promise<void> {
  return async (...args) => {
    await first?.(...args);
    await second?.(...args);
  };
}
