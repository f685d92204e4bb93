// A run of training, told as news.
import { BertResNetModel, calibrate, evaluate, Trainer } from 'bertresnet';
import type { Dataset, EpochRecord, EvaluationReport, RunInfo, StepRecord } from 'bertresnet';
import type { News, Setup, Split } from '../protocol.js';
import { recipe } from './model.js';
import { Pace } from './pace.js';
import { historyLines, runFolder } from './session.js';
import { keptFolder } from './storage.js';
import type { Turns } from './turns.js';

const checkpointMinutes = 0.5;
const folder = `${keptFolder}/${runFolder}`;

/** What a run needs. */
export interface TrainingTask {
  readonly model: BertResNetModel;
  readonly parts: Readonly<Record<Split, Dataset>>;
  readonly setup: Setup;
  /** Whether the saved run is gone on with. */
  readonly resume: boolean;
  readonly signal: AbortSignal;
  readonly turns: Turns;
  readonly tell: (news: News) => void;
}

/**
 * Trains to the end or until the signal, leaves the weights of the best epoch in the model, calibrates it on the rows of
 * validation, and answers the rows held back.
 */
export async function train(task: TrainingTask): Promise<EvaluationReport> {
  const { model, parts, signal } = task;
  const listener = new Listener(task);
  const trainer = new Trainer(model, {
    ...recipe(task.setup, parts.train.size),
    outputDir: folder,
    resume: task.resume,
    overwrite: !task.resume,
    checkpointMinutes,
    progress: listener,
    onWarning: console.warn,
  });
  try {
    await trainer.fit(parts.train, {
      validation: parts.validation,
      signal,
      onStep: (record) => listener.onStep(record),
      onEpoch: (record, report) => listener.onEpoch(record, report),
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    if (listener.hasBest) await takeBest(model);
  }
  await calibrate(model, parts.validation);
  return evaluate(model, parts.test);
}

/** Gives the model the best weights so far, which the run has saved. */
async function takeBest(model: BertResNetModel): Promise<void> {
  const best = await BertResNetModel.fromPretrained(`${folder}/model`);
  try {
    model.loadStateDict(best.stateDict());
  } finally {
    best.dispose();
  }
}

/** Tells the page how a run goes, and gives others their turns between its steps. */
class Listener {
  readonly #task: TrainingTask;
  readonly #pace = new Pace();
  #info: RunInfo = { epochs: 0, totalSteps: 0, doneSteps: 0 };
  #validationSeconds = 0;
  #stepEnded = performance.now();
  hasBest = false;

  constructor(task: TrainingTask) {
    this.#task = task;
  }

  /** The run begins, or goes on: then what was before is told first. */
  async start(info: RunInfo): Promise<void> {
    this.#info = info;
    if (info.doneSteps === 0) return this.#pace.start();
    for (const record of await historyLines()) {
      if (record.kind === 'step') this.#tellStep(record);
      else this.#tellEpoch(record);
    }
    this.#pace.start();
  }

  // The run waits for onStep and onEpoch, and not for these.
  step(): void {}
  epoch(): void {}
  stop(): void {}

  async onStep(record: StepRecord): Promise<void> {
    this.#pace.step();
    this.#tellStep(record);
    this.#stepEnded = performance.now();
    await this.#task.turns.give();
    this.#pace.start();
  }

  async onEpoch(record: EpochRecord, report: EvaluationReport | undefined): Promise<void> {
    this.#validationSeconds = (performance.now() - this.#stepEnded) / 1000;
    this.#tellEpoch(record, report);
    await this.#task.turns.give();
    this.#pace.start();
  }

  #tellStep({ epoch, step, loss }: StepRecord): void {
    const { epochs, totalSteps: steps } = this.#info;
    const { seconds } = this.#pace;
    const { size } = this.#task.parts.train;
    this.#task.tell({
      kind: 'step',
      epoch,
      epochs,
      step,
      steps,
      loss,
      secondsLeft: (steps - step) * seconds + (epochs - epoch + 1) * this.#validationSeconds,
      rowsPerSecond: seconds === 0 ? 0 : (size * epochs) / steps / seconds,
    });
  }

  #tellEpoch(
    { epoch, step, loss, validation, best }: EpochRecord,
    report?: EvaluationReport,
  ): void {
    this.hasBest ||= best;
    this.#task.tell({ kind: 'epoch', epoch, step, loss, validation: validation!, report, best });
  }
}
