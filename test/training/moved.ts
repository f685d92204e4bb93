import { useBackend } from '../../src/backends/select.js';
import type { BackendName, BackendOptions } from '../../src/backends/select.js';
import { Trainer } from '../../src/training/trainer.js';
import { tinyData, tinyModel } from './tiny.js';

/** The steps after which a run is left, and those that are compared after it has moved. */
export const left = 4;
export const compared = 6;

/** What a run is to do, and where. */
export interface Leg {
  readonly backend: BackendName;
  readonly options?: BackendOptions;
  readonly outputDir: string;
  /** The step behind which it is left. */
  readonly until: number;
}

/**
 * Goes on with the run in a folder, or begins it, on a backend: with dropout, mixup and augmentation, a schedule, decay
 * and moments, an average of the weights, all of which a checkpoint must carry.
 *
 * @returns the loss of every step, by its number
 */
export async function travel({ backend, options, outputDir, until }: Leg): Promise<Losses> {
  await useBackend(backend, options);
  const model = await tinyModel();
  const losses: Losses = {};
  const stop = new AbortController();
  const trainer = new Trainer(model, {
    epochs: 4,
    batchSize: 4,
    learningRate: 0.01,
    weightDecay: 0.1,
    mixup: 0.4,
    ema: 0.5,
    augment: { wordDropout: 0.3, horizontalFlip: 0.5 },
    outputDir,
    resume: true,
    onWarning: () => {},
    onStep: ({ step, loss }) => {
      losses[step] = loss!;
      if (step === until) stop.abort(new Error('left'));
    },
  });
  try {
    await trainer.fit(tinyData(12), { validation: tinyData(6, 2), signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    model.dispose();
  }
  return losses;
}

export type Losses = Record<number, number>;
