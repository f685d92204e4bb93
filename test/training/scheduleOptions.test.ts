import { beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { evaluate } from '../../src/training/evaluate.js';
import { monitors } from '../../src/training/monitor.js';
import type { Monitor } from '../../src/training/monitor.js';
import type { EpochRecord } from '../../src/training/records.js';
import type { ScheduleName } from '../../src/training/schedule.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { labels, tinyData, tinyModel, tinyRows } from './tiny.js';

beforeAll(() => useBackend('cpu'));

describe('the learning rates of a run', () => {
  // Two epochs of five batches, two batches a step.
  const total = 6;
  const peak = 0.01;

  /** The factors of get_{constant,linear,cosine}_schedule_with_warmup of Hugging Face transformers. */
  const after: Record<ScheduleName, (step: number, warmup: number) => number> = {
    constant: () => 1,
    linear: (step, warmup) => (total - step) / (total - warmup),
    cosine: (step, warmup) => {
      const progress = (step - warmup) / (total - warmup);
      return 0.5 * (1 + Math.cos(Math.PI * 0.5 * 2 * progress));
    },
  };

  const recorded = async (options: TrainerOptions) => {
    const model = await tinyModel();
    const rates: number[] = [];
    const how: TrainerOptions = { epochs: 2, batchSize: 2, gradientAccumulationSteps: 2 };
    const trainer = new Trainer(model, {
      ...{ ...how, mode: 'text', freeze: { text: true }, learningRate: peak, ...options },
    });
    const epochs = await trainer.fit(tinyData(9), {
      onStep: ({ learningRate }) => void rates.push(learningRate),
    });
    model.dispose();
    return { rates, epochs };
  };

  test.each<[TrainerOptions, ScheduleName, number]>([
    [{ schedule: 'constant', warmupSteps: 2 }, 'constant', 2],
    [{ schedule: 'linear', warmupSteps: 2 }, 'linear', 2],
    [{ schedule: 'cosine', warmupSteps: 2 }, 'cosine', 2],
    [{ schedule: 'linear', warmupSteps: 0 }, 'linear', 0],
    // A share of the steps, rounded up.
    [{ schedule: 'linear', warmupRatio: 0.4 }, 'linear', 3],
    [{ schedule: 'constant', warmupRatio: 0.4, warmupSteps: 4 }, 'constant', 4],
    [{}, 'cosine', 1],
  ])('with %j are those of transformers', async (options, schedule, warmup) => {
    const { rates, epochs } = await recorded(options);
    const expected = Array.from({ length: total }, (_, step) =>
      step < warmup ? (peak * step) / warmup : peak * after[schedule](step, warmup),
    );
    expect(rates).toHaveLength(total);
    rates.forEach((rate, step) => expect(rate).toBeCloseTo(expected[step]!, 12));
    const lasts = epochs.map(({ learningRate }) => learningRate);
    expect(lasts).toEqual([rates[2], rates[5]]);
  });
});

describe('the epoch that a run keeps', () => {
  // Some labels are wrong, so that no epoch is the best by every figure.
  const rows = tinyRows(26, 2).map((row, i) => {
    const wrong = i % 12 === 0 ? 'mild' : i % 12 === 6 ? 'warm' : undefined;
    return wrong === undefined ? row : { ...row, label: wrong };
  });
  const validation = datasetFrom(rows, { labels });
  /** The first of the epochs with the best figure. */
  const bestBy = (history: readonly EpochRecord[], monitor: Monitor): number => {
    const figures = history.map((epoch) => epoch.validation![monitor]!);
    const least = monitor === 'loss' || monitor === 'ece';
    return figures.indexOf(least ? Math.min(...figures) : Math.max(...figures)) + 1;
  };

  test.each(monitors)('is the best by %s', async (monitor) => {
    const model = await tinyModel();
    const options = { epochs: 8, batchSize: 4, learningRate: 0.1, schedule: 'constant' } as const;
    const trainer = new Trainer(model, { ...options, mode: 'text', seed: 13, monitor });
    const history = await trainer.fit(tinyData(8), { validation });
    const best = bestBy(history, monitor);
    if (monitor !== 'accuracy') expect(best).not.toBe(bestBy(history, 'accuracy'));
    expect(history.findLast((epoch) => epoch.best)!.epoch).toBe(best);
    const kept = await evaluate(model, validation, { mode: 'text' });
    expect(kept[monitor]).toBe(history[best - 1]!.validation![monitor]);
    model.dispose();
  });
});
