import { describe, expect, it } from 'vitest';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { resolveClassWeights } from '../../src/training/classWeights.js';
import { isStalled } from '../../src/training/earlyStopping.js';
import { bestEpochs } from '../../src/training/ingredients.js';
import type { Monitor } from '../../src/training/monitor.js';
import type { EpochRecord } from '../../src/training/records.js';
import fixture from '../fixtures/loss.json';

const historyOf = (monitor: Monitor, figures: readonly (number | null)[]): EpochRecord[] =>
  figures.map(
    (figure, i) =>
      ({
        kind: 'epoch',
        epoch: i + 1,
        validation: { [monitor]: figure },
      }) as unknown as EpochRecord,
  );

/** The epoch after which a run would have ended. */
const endOf = (
  monitor: Monitor,
  figures: readonly (number | null)[],
  patience: number,
  minDelta = 0,
): number => {
  const history = historyOf(monitor, figures);
  const ends = history.findIndex((_, i) =>
    isStalled(history.slice(0, i + 1), monitor, { patience, minDelta }),
  );
  return ends + 1;
};

describe('isStalled', () => {
  it('waits for so many epochs that are no better than the best', () => {
    expect(endOf('accuracy', [0.5, 0.6, 0.6, 0.6, 0.9], 2)).toBe(4);
    expect(endOf('accuracy', [0.5, 0.4, 0.6, 0.5, 0.7, 0.1], 2)).toBe(0);
    expect(endOf('loss', [1, 0.9, 0.95, 0.8, 0.85, 0.81], 2)).toBe(6);
  });

  it('counts only improvements of more than minDelta', () => {
    expect(endOf('accuracy', [0.5, 0.52, 0.54, 0.56, 0.58], 2, 0.05)).toBe(3);
    expect(endOf('accuracy', [0.5, 0.56, 0.62, 0.68, 0.74], 2, 0.05)).toBe(0);
    expect(endOf('accuracy', [null, 0.5, null, null], 2, 0.05)).toBe(4);
  });
});

describe('bestEpochs', () => {
  it('are sorted by their figure, the earlier among equals first', () => {
    expect(bestEpochs(historyOf('accuracy', [0.1, 0.3, null, 0.3, 0.2]), 'accuracy', 3)).toEqual([
      2, 4, 5,
    ]);
    expect(bestEpochs(historyOf('loss', [0.1, 0.3, 0.05]), 'loss', 2)).toEqual([3, 1]);
    expect(bestEpochs(historyOf('loss', [1]), 'loss', 0)).toEqual([]);
  });
});

describe('resolveClassWeights', () => {
  const labels = ['a', 'b', 'c'];
  const data = datasetFrom(
    [...'aaaaabccc'].map((label) => ({ text: 'x', label })),
    { labels },
  );
  const resolve = (asked: Parameters<typeof resolveClassWeights>[0]) =>
    resolveClassWeights(asked, labels, data, (label) => label);

  it.each(fixture.balanced)('balanced is scikit-learn’s: $counts', async ({ counts, weights }) => {
    const names = counts.map((_, i) => `${i}`);
    const rows = counts.flatMap((count, i) =>
      Array.from({ length: count }, () => ({ text: 'x', label: `${i}` })),
    );
    const { labelOf: _, ...unknown } = datasetFrom(rows, { labels: names });
    const found = await resolveClassWeights('balanced', names, unknown, (label) => label);
    expect([...found!]).toEqual(weights.map(Math.fround));
  });

  it('are a number a class, by place or by name', async () => {
    expect(await resolve(undefined)).toBeUndefined();
    expect([...(await resolve([1, 2, 3]))!]).toEqual([1, 2, 3]);
    expect([...(await resolve({ c: 3, a: 1, b: 2 }))!]).toEqual([1, 2, 3]);
    expect([...(await resolve('balanced'))!]).toEqual([0.6, 3, 1].map(Math.fround));
  });

  it('must be complete', async () => {
    await expect(resolve([1, 2])).rejects.toThrow('a number a class (a, b, c), got 2 numbers');
    await expect(resolve({ a: 1, b: 2, d: 3 })).rejects.toThrow('got it wrong for c, d');
  });
});
