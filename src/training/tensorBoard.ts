import { appendBytes, makeFolder } from '../weights/files.node.js';
import { encodeEvent, encodeRecord } from './eventFile.js';
import type { Event } from './eventFile.js';
import { monitors } from './monitor.js';
import type { EpochRecord, Figures, StepRecord } from './records.js';

/** How {@link TensorBoardWriter} writes. */
export interface TensorBoardOptions {
  /** The time in milliseconds; default Date.now. */
  readonly now?: () => number;
}

const fileVersion = 'brain.Event:2';

/**
 * Writes how a run goes as TensorBoard's event files: `train/loss`, `train/learningRate` and `train/gradNorm` of each
 * step, `train/epochLoss` and the figures of the validation rows of each epoch, `validation/accuracy` of the mode that is
 * trained and `validation/text/accuracy` of every one. The trainer's option `tensorboard` writes them into the run folder.
 *
 * ```ts
 * const board = new TensorBoardWriter('results/tensorboard/run1');
 * await trainer.fit(train, { validation, onStep: board.onStep, onEpoch: board.onEpoch });
 * ```
 *
 * A run that goes on begins a file of its own, at whose first step what an earlier file has of later ones is outdated.
 */
export class TensorBoardWriter {
  readonly folder: string;
  readonly #now: () => number;
  #path: Promise<string> | undefined;

  /** @param folder one for each run; it is made with the first record */
  constructor(folder: string, { now = Date.now }: TensorBoardOptions = {}) {
    this.folder = folder;
    this.#now = now;
  }

  /** For the trainer's `onStep`. */
  readonly onStep = async ({ step, loss, learningRate, gradNorm }: StepRecord): Promise<void> => {
    const lossOf: Record<string, number> = loss === null ? {} : { 'train/loss': loss };
    await this.scalars(step, {
      ...lossOf,
      'train/learningRate': learningRate,
      'train/gradNorm': gradNorm,
    });
  };

  /** For the trainer's `onEpoch`. */
  readonly onEpoch = async (record: EpochRecord): Promise<void> => {
    const { step, epoch, loss, validation } = record;
    const { modes = {} } = validation ?? {};
    await this.scalars(step, {
      'train/epoch': epoch,
      'train/epochLoss': loss,
      ...(validation && figuresUnder('validation', validation)),
      ...Object.assign(
        {},
        ...Object.entries(modes).map(([mode, figures]) =>
          figuresUnder(`validation/${mode}`, figures),
        ),
      ),
    });
  };

  /** Writes figures by their tags. */
  async scalars(step: number, scalars: Readonly<Record<string, number>>): Promise<void> {
    this.#path ??= this.#begin(step);
    await appendBytes(await this.#path, this.#record({ step, scalars }));
  }

  async #begin(step: number): Promise<string> {
    await makeFolder(this.folder);
    const now = this.#now();
    // TensorBoard reads the files of a folder in the order of their names.
    const seconds = String(Math.floor(now / 1000)).padStart(10, '0');
    const path = `${this.folder}/events.out.tfevents.${seconds}.bertresnet.${String(now % 1000).padStart(3, '0')}`;
    await appendBytes(path, this.#record({ step: 0, fileVersion }));
    await appendBytes(path, this.#record({ step, starts: true }));
    return path;
  }

  #record(event: Omit<Event, 'wallTime'>): Uint8Array {
    return encodeRecord(encodeEvent({ wallTime: this.#now() / 1000, ...event }));
  }
}

function figuresUnder(prefix: string, figures: Figures): Record<string, number> {
  const known = monitors.filter((name) => figures[name] !== null && figures[name] !== undefined);
  return Object.fromEntries(known.map((name) => [`${prefix}/${name}`, figures[name]!]));
}
