import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from '../datasets/batch.js';
import { InputError, messageOf } from '../errors.js';
import { mergeLora, mergedState } from '../nn/lora.js';
import type { StateDict } from '../nn/stateDict.js';
import { readSafetensors } from '../weights/safetensors.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import type { Position, RunState } from './checkpoint.js';
import { answerKnown } from './answer.js';
import { trainingOf, withEpochs } from './config.js';
import type { EvaluateOptions, EvaluationReport } from './evaluate.js';
import { holds } from './encodeBatch.js';
import { nextTurn } from '../eventLoop.node.js';
import { DivergedError, normOf } from './diverged.js';
import type { Diverged } from './diverged.js';
import { requireSameRun } from './identity.js';
import { WeightAverage } from './average.js';
import { batchGroups } from './batchGroups.js';
import { isStalled } from './earlyStopping.js';
import type { ModelDefaults } from './defaults.js';
import { freezeForEpoch } from './freezing.js';
import { Ingredients, bestEpochs } from './ingredients.js';
import { betterOf } from './monitor.js';
import type { Best } from './monitor.js';
import type { AdamW } from './optimizer.js';
import { createOptimizer } from './plan.js';
import type { RunPlan } from './plan.js';
import { prepareRows } from './preparedRows.js';
import type { PreparedRows } from './preparedRows.js';
import type { ProgressReporter } from './progress.js';
import type { RowAnswers } from './rowAnswers.js';
import { figuresOf } from './records.js';
import type { EpochRecord, StepRecord } from './records.js';
import { ignoredInput, measureReliance, relianceWarning } from './reliance.js';
import type { Reliance } from './reliance.js';
import type { RunFolder } from './runFolder.js';
import { scheduleFactor } from './schedule.js';
import { cookSoup } from './soup.js';
import { trainStep } from './step.js';
import type { StepResult } from './step.js';

/** Who follows a run, and who may stop it. */
export interface RunListeners {
  readonly signal?: AbortSignal;
  readonly onStep?: (record: StepRecord) => void | Promise<void>;
  readonly onEpoch?: (record: EpochRecord, report?: EvaluationReport) => void | Promise<void>;
  readonly progress?: ProgressReporter;
  /** What of the options was chosen by the model, to be told. */
  readonly defaults?: ModelDefaults;
  /** Told what is suspicious but no error. */
  readonly warn: (warning: string) => void;
}

/** What an epoch's validation found, where there are rows for it. */
interface Validated {
  readonly report?: EvaluationReport;
  readonly reliance?: Reliance;
}

/** One run from its first step, or from a checkpoint, to its end. */
export class TrainingRun {
  readonly #plan: RunPlan;
  readonly #folder: RunFolder | undefined;
  readonly #listeners: RunListeners;
  readonly #optimizer: AdamW;
  readonly #average: WeightAverage | undefined;
  readonly #ingredients: Ingredients;
  /** What the epoch under way trains. */
  #parameters: ReadonlyMap<string, tf.Variable>;
  #position: Position = { epoch: 0, batch: 0, step: 0 };
  /** The rows of the last step. */
  #lastRows: readonly number[] = [];
  #epochLoss = { sum: 0, rows: 0 };
  #best: Best | undefined;
  #history: EpochRecord[] = [];
  /** The best weights where there is no folder to keep them. */
  #snapshot: Record<string, tf.Tensor> = {};
  #savedAt = Date.now();
  #rows: PreparedRows | undefined;

  constructor(plan: RunPlan, folder: RunFolder | undefined, listeners: RunListeners) {
    this.#plan = plan;
    this.#folder = folder;
    this.#listeners = listeners;
    this.#optimizer = createOptimizer(plan);
    this.#average = createAverage(plan);
    this.#ingredients = new Ingredients(folder);
    this.#parameters = plan.parameters;
  }

  /**
   * Trains to the end; the model then holds the weights of the best epoch. Frees what it made in
   * any case.
   */
  async run(): Promise<EpochRecord[]> {
    const { model, options, totalSteps } = this.#plan;
    try {
      await this.#begin();
      this.#rows = await this.#prepare();
      const doneSteps = this.#position.step;
      const { defaults } = this.#listeners;
      const { epochs } = options;
      await this.#listeners.progress?.start({ epochs, totalSteps, doneSteps, defaults });
      while (!this.#isDone()) await this.#epoch();
      mergeLora(model.textEncoder); // what was kept of the best epochs is merged, too
      await this.#takeBest();
      await this.#cook();
      return this.#history;
    } finally {
      freezeForEpoch(this.#plan.parameters, Infinity, options);
      this.#listeners.progress?.stop();
      this.#optimizer.dispose();
      this.#average?.dispose();
      this.#ingredients.dispose();
      tf.dispose(this.#snapshot);
      await this.#rows?.close();
    }
  }

  /** Goes on where the folder's checkpoint stands, or begins with one of the untrained model. */
  async #begin(): Promise<void> {
    const folder = this.#folder;
    if (folder !== undefined && this.#plan.options.resume && (await folder.canResume())) {
      return this.#restore(folder);
    }
    await this.#checkpoint();
  }

  async #restore(folder: RunFolder): Promise<void> {
    const { model, identity, parameters } = this.#plan;
    const checkpoint = await readCheckpoint(folder.checkpoint);
    requireSameRun(checkpoint.identity, identity, folder.checkpoint);
    this.#requireEpochs(checkpoint.state.position.epoch);
    model.loadStateDict(checkpoint.weights);
    checkpoint.restoreOptimizer(this.#optimizer, parameters);
    this.#average?.setState(checkpoint.average);
    const { position, epochLoss, best, history, historyLines } = checkpoint.state;
    this.#position = position;
    this.#epochLoss = { ...epochLoss };
    this.#best = best;
    this.#history = [...history];
    await folder.recover();
    await folder.cutHistory(historyLines);
    await this.#keepEpochs(folder);
  }

  /** More epochs may be asked for than the run began with; whoever goes on with it again gets as many. */
  async #keepEpochs(folder: RunFolder): Promise<void> {
    const { epochs } = this.#plan.options;
    const config = await folder.readJson('config.json');
    const begun = trainingOf(config)?.epochs;
    if (config === undefined || begun === undefined || begun === epochs) return;
    await folder.writeJson('config.json', withEpochs(config, epochs));
  }

  #prepare(): Promise<PreparedRows> {
    const { signal, warn, progress } = this.#listeners;
    const onFeatures = progress?.features?.bind(progress);
    return prepareRows(this.#plan, { signal, warn, onFeatures });
  }

  #requireEpochs(done: number): void {
    const { epochs } = this.#plan.options;
    if (done <= epochs) return;
    throw new InputError(
      `trainer: ${done} epochs are done, so epochs must be at least that, got ${epochs}`,
    );
  }

  #isDone(): boolean {
    const { epochs, earlyStopping, monitor } = this.#plan.options;
    if (this.#position.epoch >= epochs) return true;
    return earlyStopping !== undefined && isStalled(this.#history, monitor, earlyStopping);
  }

  async #epoch(): Promise<void> {
    const { options, parameters } = this.#plan;
    this.#parameters = freezeForEpoch(parameters, this.#position.epoch, options);
    for await (const group of batchGroups(this.#plan, this.#rows!.train, this.#position)) {
      await this.#step(group);
      await this.#afterStep();
    }
    await this.#requireWeights();
    const { report, reliance } = await this.#validate();
    const epoch = this.#position.epoch + 1;
    const best = betterOf(this.#best, epoch, options.monitor, report);
    const record = this.#epochRecord(epoch, { report, reliance }, best);
    this.#warnOfReliance(record);
    if (record.best) await this.#onAverage(() => this.#keepBest(report));
    this.#best = best;
    this.#history.push(record);
    const ingredients = await this.#keepIngredient(epoch);
    this.#position = { epoch, batch: 0, step: this.#position.step };
    this.#epochLoss = { sum: 0, rows: 0 };
    await this.#folder?.appendHistory(record);
    await this.#checkpoint();
    await this.#ingredients.drop(ingredients);
    this.#listeners.progress?.epoch(record);
    await this.#listeners.onEpoch?.(record, report);
    this.#listeners.signal?.throwIfAborted();
  }

  /** Says once in a run that an input is ignored: in the first epoch in which it is. */
  #warnOfReliance({ reliance, epoch }: EpochRecord): void {
    if (reliance === undefined) return;
    const said = this.#history.some((one) => one.reliance?.ignored !== undefined);
    const warning = relianceWarning(reliance, epoch);
    if (!said && warning !== undefined) this.#listeners.warn(warning);
  }

  #epochRecord(epoch: number, { report, reliance }: Validated, best: Best): EpochRecord {
    const { sum, rows } = this.#epochLoss;
    const { step } = this.#position;
    return {
      kind: 'epoch',
      epoch,
      step,
      loss: sum / rows,
      learningRate: this.#rate(step - 1),
      ...(report === undefined ? {} : { validation: figuresOf(report) }),
      ...(reliance === undefined ? {} : { reliance }),
      best: best.epoch === epoch,
    };
  }

  async #step(group: readonly Batch[]): Promise<void> {
    const { epoch, batch, step } = this.#position;
    const firstIndex = epoch * this.#plan.batchesPerEpoch + batch;
    this.#optimizer.learningRate = this.#factor(step);
    const plan = { ...this.#plan, parameters: this.#parameters };
    const afterUpdate = (): void => this.#average?.update(step);
    const result = await trainStep(plan, this.#optimizer, group, { firstIndex, afterUpdate });
    this.#position = { epoch, batch: batch + group.length, step: step + 1 };
    this.#lastRows = group.flatMap(({ positions }) => [...positions]);
    if (result.rows > 0) {
      await this.#requireFinite('loss', result.loss);
      await this.#requireFinite('gradient', result.gradNorm);
    }
    this.#requireDropout(result, group);
    if (result.rows > 0) this.#epochLoss.sum += result.loss * result.rows;
    this.#epochLoss.rows += result.rows;
    await this.#tell(result);
  }

  /** R-Drop is refused as soon as it is known to be without effect: where all that is to be trained was, and on all inputs. */
  #requireDropout({ dropped }: StepResult, group: readonly Batch[]): void {
    const { options, mode, parameters } = this.#plan;
    if (options.rDrop === 0 || dropped) return;
    if (this.#parameters.size < parameters.size || !group.some((batch) => holds(batch, mode)))
      return;
    throw new InputError(
      'trainer: rDrop compares two answers that dropout made different, but nothing that is trained drops; leave it ' +
        'out, or train a text encoder or a fusion with a dropout rate above 0',
    );
  }

  async #tell({ loss, gradNorm, rows }: StepResult): Promise<void> {
    const { epoch, step } = this.#position;
    const record: StepRecord = {
      kind: 'step',
      epoch: epoch + 1,
      step,
      loss: rows === 0 ? null : loss,
      learningRate: this.#rate(step - 1),
      gradNorm,
    };
    await this.#folder?.appendHistory(record);
    this.#listeners.progress?.step(record);
    await this.#listeners.onStep?.(record);
  }

  async #afterStep(): Promise<void> {
    const { checkpointSteps, checkpointMinutes } = this.#plan.options;
    const dueBySteps = checkpointSteps > 0 && this.#position.step % checkpointSteps === 0;
    const dueByTime =
      checkpointMinutes > 0 && Date.now() - this.#savedAt >= checkpointMinutes * 60_000;
    const aborted = this.#listeners.signal?.aborted === true;
    if (dueBySteps || dueByTime || aborted) {
      await this.#requireWeights();
      await this.#checkpoint();
    }
    this.#listeners.signal?.throwIfAborted();
    await nextTurn();
  }

  async #validate(): Promise<Validated> {
    if (this.#plan.validation === undefined) return {};
    const { answers, reliance } = await this.#answerValidation();
    await this.#requireFinite('logits', answers.notFinite ?? 0);
    const report = answers.report();
    const ignored = reliance && ignoredInput(reliance, report);
    return { report, reliance: ignored === undefined ? reliance : { ...reliance!, ignored } };
  }

  async #answerValidation(): Promise<{ answers: RowAnswers; reliance?: Reliance }> {
    try {
      return await this.#onAverage(async () => ({
        answers: await this.#answer(),
        reliance: await this.#measureReliance(),
      }));
    } catch (error) {
      // Behind the last step of the epoch: the run will go on with its validation.
      if (this.#listeners.signal?.aborted === true) await this.#checkpoint();
      throw error;
    }
  }

  /** The answers to the validation rows. */
  #answer(): Promise<RowAnswers> {
    const { model, validation } = this.#plan;
    return answerKnown(model, validation!, this.#howToEvaluate(), this.#rows!.validation);
  }

  async #measureReliance(): Promise<Reliance | undefined> {
    const { model, validation, mode } = this.#plan;
    if (mode !== 'both') return undefined;
    return measureReliance(model, validation!, this.#howToEvaluate(), this.#rows!.validation);
  }

  #howToEvaluate(): EvaluateOptions {
    const { mode, options } = this.#plan;
    const { evalBatchSize: batchSize, maxLength, prefetch } = options;
    return { mode, batchSize, maxLength, prefetch, signal: this.#listeners.signal };
  }

  /** Does something while the model holds the average of its weights, where there is one. */
  #onAverage<T>(use: () => Promise<T>): Promise<T> {
    return this.#average === undefined ? use() : this.#average.lend(use);
  }

  /** Weights that are no numbers are neither kept, nor validated, nor put into a checkpoint. */
  async #requireWeights(): Promise<void> {
    const { model } = this.#plan;
    const changed = [...this.#parameters.values(), ...model.namedBuffers().values()];
    await this.#requireFinite('weights', await normOf(changed));
  }

  /** Where a value is no number, puts the model back to the last checkpoint and says what happened. */
  async #requireFinite(what: Diverged, value: number): Promise<void> {
    if (Number.isFinite(value)) return;
    const { model, train } = this.#plan;
    const checkpoint = this.#folder && (await readCheckpoint(this.#folder.checkpoint));
    if (checkpoint !== undefined) model.loadStateDict(checkpoint.weights);
    const { epoch, step } = this.#position;
    throw new DivergedError({
      ...{ what, value, step },
      epoch: epoch + 1,
      learningRate: this.#rate(step - 1),
      rows: this.#lastRows.map((position) => train.describe(position)),
      ...(checkpoint && {
        checkpoint: this.#folder!.checkpoint,
        checkpointStep: checkpoint.state.position.step,
      }),
    });
  }

  #factor(step: number): number {
    const { options, totalSteps, warmupSteps } = this.#plan;
    return scheduleFactor(options.schedule, step, { totalSteps, warmupSteps });
  }

  #rate(step: number): number {
    return this.#plan.options.learningRate * this.#factor(Math.max(0, step));
  }

  async #checkpoint(): Promise<void> {
    if (this.#folder === undefined) return;
    const state: RunState = {
      position: this.#position,
      epochLoss: this.#epochLoss,
      best: this.#best,
      history: this.#history,
      historyLines: this.#folder.historyLines,
    };
    await writeCheckpoint(
      this.#folder.checkpoint,
      this.#plan,
      this.#optimizer,
      this.#plan.identity,
      state,
      this.#average?.state(),
    );
    this.#savedAt = Date.now();
  }

  /** Keeps the weights as the best so far, and with them the figures of the validation rows. */
  async #keepBest(report: EvaluationReport | undefined): Promise<void> {
    const { model, validation } = this.#plan;
    if (this.#folder === undefined) {
      tf.dispose(this.#snapshot);
      const isLive = report === undefined && this.#average === undefined;
      this.#snapshot = isLive ? {} : mergedState(model);
      return;
    }
    await model.save(this.#folder.model);
    await this.#keepAdapter();
    if (report === undefined) return;
    const epoch = this.#position.epoch + 1;
    await this.#folder.writeJson('metrics.json', { ...report, epoch, data: validation!.name });
  }

  async #keepAdapter(): Promise<void> {
    const { model, options } = this.#plan;
    if (!options.lora?.keepAdapter) return;
    const { saveLora } = await import('../loraFiles.js');
    await saveLora(model.textEncoder, this.#folder!.adapter);
  }

  /** Keeps the weights of an epoch that may go into the soup; those that may, the best first. */
  async #keepIngredient(epoch: number): Promise<number[]> {
    const { model, options } = this.#plan;
    const kept = bestEpochs(this.#history, options.monitor, options.soup);
    if (kept.includes(epoch)) await this.#onAverage(() => this.#ingredients.keep(model, epoch));
    return kept;
  }

  /** Gives the model the soup of its best epochs, and keeps it where it is of more than one. */
  async #cook(): Promise<void> {
    const { model, options, validation } = this.#plan;
    const epochs = bestEpochs(this.#history, options.monitor, options.soup);
    if (epochs.length === 0) return;
    const found = this.#ingredients.of(epochs);
    const load = (weights: StateDict): void => void model.loadStateDict(weights);
    const measure = async () => (await this.#answer()).report();
    const soup = await cookSoup(found, options.monitor, load, measure);
    if (this.#folder === undefined || soup.ingredients.length === 1) return;
    await model.save(this.#folder.model);
    const { report, ingredients } = soup;
    const epoch = epochs[0]!;
    const metrics = { ...report, epoch, soup: ingredients, data: validation!.name };
    await this.#folder.writeJson('metrics.json', metrics);
  }

  /** Gives the model the weights of the best epoch. */
  async #takeBest(): Promise<void> {
    const { model } = this.#plan;
    if (this.#best === undefined) return;
    const isLast = this.#best.epoch === this.#position.epoch;
    if (isLast && this.#average === undefined) return;
    if (this.#folder === undefined) return void model.loadStateDict(this.#snapshot);
    const best = await readSafetensors(`${this.#folder.model}/model.safetensors`).catch(
      (error: unknown) => {
        throw new Error(
          `trainer: the best epoch's weights cannot be read again: ${messageOf(error)}`,
          { cause: error },
        );
      },
    );
    model.loadStateDict(best);
    tf.dispose(best);
  }
}

/** An average of everything that a run changes: the trained parameters and the statistics. */
function createAverage({ model, parameters, options }: RunPlan): WeightAverage | undefined {
  if (options.ema === 0) return undefined;
  return new WeightAverage(new Map([...parameters, ...model.namedBuffers()]), options.ema);
}
