import * as tf from '@tensorflow/tfjs-core';
import { batches } from '../datasets/batch.js';
import type { Batch } from '../datasets/batch.js';
import { epochOrder, groupedOrder } from '../datasets/rowOrder.js';
import { InputError, messageOf } from '../errors.js';
import { readSafetensors } from '../weights/safetensors.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import type { Position, RunState } from './checkpoint.js';
import { evaluateKnown } from './evaluate.js';
import type { EvaluationReport } from './evaluate.js';
import { nextTurn } from '../eventLoop.node.js';
import { DivergedError } from './diverged.js';
import { requireSameRun } from './identity.js';
import { betterOf } from './monitor.js';
import type { Best } from './monitor.js';
import type { AdamW } from './optimizer.js';
import { createOptimizer } from './plan.js';
import type { RunPlan } from './plan.js';
import { prepareRows } from './preparedRows.js';
import type { PreparedRows } from './preparedRows.js';
import type { ProgressReporter } from './progress.js';
import { figuresOf } from './records.js';
import type { EpochRecord, StepRecord } from './records.js';
import type { RunFolder } from './runFolder.node.js';
import { scheduleFactor } from './schedule.js';
import { trainStep } from './step.js';
import type { StepResult } from './step.js';

/** Who follows a run, and who may stop it. */
export interface RunListeners {
  readonly signal?: AbortSignal;
  readonly onStep?: (record: StepRecord) => void | Promise<void>;
  readonly onEpoch?: (record: EpochRecord) => void | Promise<void>;
  readonly progress?: ProgressReporter;
  /** Told what is suspicious but no error. */
  readonly warn: (warning: string) => void;
}

/** One run from its first step, or from a checkpoint, to its end. */
export class TrainingRun {
  readonly #plan: RunPlan;
  readonly #folder: RunFolder | undefined;
  readonly #listeners: RunListeners;
  readonly #optimizer: AdamW;
  #position: Position = { epoch: 0, batch: 0, step: 0 };
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
  }

  /**
   * Trains to the end; the model then holds the weights of the best epoch. Frees what it made in
   * any case.
   */
  async run(): Promise<EpochRecord[]> {
    const { options, totalSteps } = this.#plan;
    try {
      await this.#begin();
      this.#rows = await this.#prepare();
      const doneSteps = this.#position.step;
      await this.#listeners.progress?.start({ epochs: options.epochs, totalSteps, doneSteps });
      while (this.#position.epoch < options.epochs) await this.#epoch();
      await this.#takeBest();
      return this.#history;
    } finally {
      this.#listeners.progress?.stop();
      this.#optimizer.dispose();
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
    const { position, epochLoss, best, history, historyLines } = checkpoint.state;
    this.#position = position;
    this.#epochLoss = { ...epochLoss };
    this.#best = best;
    this.#history = [...history];
    await folder.recover();
    await folder.cutHistory(historyLines);
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

  async #epoch(): Promise<void> {
    const { options, validation } = this.#plan;
    for await (const group of this.#groups()) {
      await this.#step(group);
      await this.#afterStep();
    }
    let report: EvaluationReport | undefined;
    if (validation !== undefined) report = await this.#validate();
    const epoch = this.#position.epoch + 1;
    const best = betterOf(this.#best, epoch, options.monitor, report);
    const record = this.#epochRecord(epoch, report, best);
    if (record.best) await this.#keepBest(report);
    this.#best = best;
    this.#history.push(record);
    this.#position = { epoch, batch: 0, step: this.#position.step };
    this.#epochLoss = { sum: 0, rows: 0 };
    await this.#folder?.appendHistory(record);
    await this.#checkpoint();
    this.#listeners.progress?.epoch(record);
    await this.#listeners.onEpoch?.(record);
    this.#listeners.signal?.throwIfAborted();
  }

  #epochRecord(epoch: number, report: EvaluationReport | undefined, best: Best): EpochRecord {
    const { sum, rows } = this.#epochLoss;
    const { step } = this.#position;
    return {
      kind: 'epoch',
      epoch,
      step,
      loss: sum / rows,
      learningRate: this.#rate(step - 1),
      ...(report === undefined ? {} : { validation: figuresOf(report) }),
      best: best.epoch === epoch,
    };
  }

  /** The batches that are left of the epoch, as many at a time as an optimizer step takes. */
  async *#groups(): AsyncGenerator<Batch[]> {
    const { model, train, mode, options } = this.#plan;
    const { batchSize, augment, prefetch, seed, gradientAccumulationSteps } = options;
    const maxLength = model.textLength(options.maxLength);
    const { epoch, batch: start } = this.#position;
    const { tokenizer } = model;
    const order = this.#order(epoch);
    const { features, processor } = this.#rows!.train;
    const readers = { mode, tokenizer, processor, maxLength, augment, features };
    const place = { order, seed, epoch, start };
    let group: Batch[] = [];
    for await (const batch of batches(train, { batchSize, prefetch, ...readers, ...place })) {
      group.push(batch);
      if (group.length < gradientAccumulationSteps) continue;
      yield group;
      group = [];
    }
    if (group.length > 0) yield group;
  }

  #order(epoch: number): Int32Array {
    const { train, options } = this.#plan;
    const { seed, batchSize } = options;
    const { lengths } = this.#rows!.train;
    if (lengths === undefined) return epochOrder(seed, epoch, train.size);
    return groupedOrder(seed, epoch, lengths, batchSize);
  }

  async #step(group: readonly Batch[]): Promise<void> {
    const { epoch, batch, step } = this.#position;
    const firstIndex = epoch * this.#plan.batchesPerEpoch + batch;
    this.#optimizer.learningRate = this.#factor(step);
    const result = await trainStep(this.#plan, this.#optimizer, group, firstIndex);
    const finite = Number.isFinite(result.loss + result.gradNorm);
    if (result.rows > 0 && !finite) await this.#diverge(result, group);
    this.#position = { epoch, batch: batch + group.length, step: step + 1 };
    if (result.rows > 0) this.#epochLoss.sum += result.loss * result.rows;
    this.#epochLoss.rows += result.rows;
    await this.#tell(result);
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
    if (dueBySteps || dueByTime || aborted) await this.#checkpoint();
    this.#listeners.signal?.throwIfAborted();
    await nextTurn();
  }

  async #validate(): Promise<EvaluationReport> {
    const { model, validation, mode, options } = this.#plan;
    const { evalBatchSize, maxLength, prefetch } = options;
    const { signal } = this.#listeners;
    try {
      const how = { mode, batchSize: evalBatchSize, maxLength, prefetch, signal };
      return await evaluateKnown(model, validation!, how, this.#rows!.validation);
    } catch (error) {
      // Behind the last step of the epoch: the run will go on with its validation.
      if (signal?.aborted === true) await this.#checkpoint();
      throw error;
    }
  }

  /** The loss is no number: puts the model back to the last checkpoint and says what happened. */
  async #diverge({ loss, gradNorm }: StepResult, group: readonly Batch[]): Promise<never> {
    const { model, train } = this.#plan;
    const checkpoint = this.#folder && (await readCheckpoint(this.#folder.checkpoint));
    if (checkpoint !== undefined) model.loadStateDict(checkpoint.weights);
    const positions = group.flatMap((batch) => batch.positions);
    throw new DivergedError({
      loss,
      gradNorm,
      step: this.#position.step + 1,
      epoch: this.#position.epoch + 1,
      learningRate: this.#rate(this.#position.step),
      rows: positions.map((position) => train.describe(position)),
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
    );
    this.#savedAt = Date.now();
  }

  /** Keeps the weights as the best so far, and with them the figures of the validation rows. */
  async #keepBest(report: EvaluationReport | undefined): Promise<void> {
    const { model, validation } = this.#plan;
    if (this.#folder === undefined) {
      tf.dispose(this.#snapshot);
      this.#snapshot = report === undefined ? {} : model.stateDict();
      return;
    }
    await model.save(this.#folder.model);
    if (report === undefined) return;
    const epoch = this.#position.epoch + 1;
    await this.#folder.writeJson('metrics.json', { ...report, epoch, data: validation!.name });
  }

  /** Gives the model the weights of the best epoch. */
  async #takeBest(): Promise<void> {
    const { model, options } = this.#plan;
    if (this.#best === undefined || this.#best.epoch === options.epochs) return;
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
