import { describeDefaults } from './defaults.js';
import type { ModelDefaults } from './defaults.js';
import type { EpochRecord, StepRecord } from './records.js';

/** What a run tells of itself when it starts or goes on. */
export interface RunInfo {
  readonly epochs: number;
  readonly totalSteps: number;
  /** Steps done before, by the run that is resumed. */
  readonly doneSteps: number;
  /** The options that were chosen by what of the model is pretrained, where there are any. */
  readonly defaults?: ModelDefaults;
}

/** Who is told how a run goes. Nothing of it changes the run. */
export interface ProgressReporter {
  /** Before the run starts: so many rows of a data set have their features (`cacheFeatures`). */
  features?(done: number, total: number): void;
  /** The run starts, or goes on. */
  start(info: RunInfo): void | Promise<void>;
  /** An optimizer step was done. */
  step(record: StepRecord): void;
  /** An epoch was done, and its rows of validation answered. */
  epoch(record: EpochRecord): void;
  /** The run has ended, well or not. */
  stop(): void;
}

/** Seconds left after some of the steps, at the pace so far; undefined before the first. */
export function secondsLeft(
  done: number,
  total: number,
  elapsedSeconds: number,
): number | undefined {
  return done === 0 ? undefined : (elapsedSeconds / done) * (total - done);
}

/** A duration for people: `42s`, `3m 20s`, `2h 5m`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${whole % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/**
 * An epoch in a line: `epoch 2: loss 0.4312, validation accuracy 0.7500 (text 0.6900, image
 * 0.6000), best`.
 */
export function epochLine({ epoch, loss, validation, best }: EpochRecord): string {
  const parts = [`epoch ${epoch}: loss ${loss.toFixed(4)}`];
  if (validation !== undefined) {
    const { text, image, both } = validation.modes;
    const single =
      both === undefined
        ? []
        : Object.entries({ text, image }).filter(([, one]) => one !== undefined);
    const others = single.map(([mode, one]) => `${mode} ${decimal(one!.accuracy)}`).join(', ');
    parts.push(`validation loss ${decimal(validation.loss)}`);
    parts.push(`accuracy ${decimal(validation.accuracy)}${others === '' ? '' : ` (${others})`}`);
    if (best) parts.push('best');
  }
  return parts.join(', ');
}

function decimal(value: number | null): string {
  return value === null ? 'undefined' : value.toFixed(4);
}

/** Where {@link LineProgress} writes, and how often. */
export interface LineProgressOptions {
  /** Writes a line; default: to the console. */
  readonly write?: (line: string) => void;
  /** Seconds between two lines within an epoch (default 30). */
  readonly everySeconds?: number;
  /** The time in milliseconds; default Date.now. */
  readonly now?: () => number;
}

/** Progress as plain lines: one an epoch, and between them one every so many seconds. */
export class LineProgress implements ProgressReporter {
  readonly #write: (line: string) => void;
  readonly #everySeconds: number;
  readonly #now: () => number;
  #info: RunInfo = { epochs: 0, totalSteps: 0, doneSteps: 0 };
  #started = 0;
  #said = 0;
  #featuresSaid: number | undefined;

  constructor({
    write = console.log,
    everySeconds = 30,
    now = Date.now,
  }: LineProgressOptions = {}) {
    this.#write = write;
    this.#everySeconds = everySeconds;
    this.#now = now;
  }

  features(done: number, total: number): void {
    const now = this.#now();
    if (this.#featuresSaid === undefined) this.#featuresSaid = now;
    if (now - this.#featuresSaid < this.#everySeconds * 1000) return;
    this.#featuresSaid = now;
    this.#write(`features: ${done} of ${total} rows`);
  }

  start(info: RunInfo): void {
    this.#info = info;
    this.#started = this.#said = this.#now();
    const { epochs, totalSteps, doneSteps, defaults = {} } = info;
    if (Object.keys(defaults).length > 0) this.#write(`defaults: ${describeDefaults(defaults)}`);
    const from = doneSteps === 0 ? '' : `, going on after step ${doneSteps}`;
    this.#write(
      `training: ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}, ${totalSteps} steps${from}`,
    );
  }

  step({ epoch, step, loss, learningRate }: StepRecord): void {
    const now = this.#now();
    if (now - this.#said < this.#everySeconds * 1000) return;
    this.#said = now;
    const { totalSteps, doneSteps } = this.#info;
    const left = secondsLeft(
      step - doneSteps,
      totalSteps - doneSteps,
      (now - this.#started) / 1000,
    );
    this.#write(
      `epoch ${epoch}, step ${step} of ${totalSteps}: loss ${loss?.toFixed(4) ?? '-'}, ` +
        `rate ${learningRate.toExponential(2)}, ${formatSeconds(left ?? 0)} left`,
    );
  }

  epoch(record: EpochRecord): void {
    this.#said = this.#now();
    this.#write(`${epochLine(record)} (${formatSeconds((this.#said - this.#started) / 1000)})`);
  }

  stop(): void {}
}

/**
 * The reporter that an option `progress` asks for: none, a given one, or (`true`) the platform's: in Node a bar where
 * stderr is a terminal and plain lines to stderr elsewhere, in a browser plain lines on its console.
 */
export async function chooseProgress(
  progress: boolean | ProgressReporter,
): Promise<ProgressReporter | undefined> {
  if (progress === false) return undefined;
  if (progress !== true) return progress;
  const { defaultProgress } = await import('./progress.node.js');
  return defaultProgress();
}
