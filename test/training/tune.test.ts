import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkSearch,
  drawOptions,
  nextTrial,
  bestFirst,
  rungEpochs,
} from '../../src/training/tune.js';
import type { SearchSettings, TrialResult } from '../../src/training/tune.js';

const settings: SearchSettings = {
  space: {
    learningRate: { min: 1e-5, max: 1e-3, log: true },
    mixup: { min: 0, max: 0.4 },
    fusion: ['mlp', 'gmu', 'late'],
  },
  seed: 42,
  trials: 9,
  minEpochs: 1,
  maxEpochs: 9,
  reduction: 3,
};

/** A search whose trials score what a function says. */
function search(given: SearchSettings, score: (trial: number, rung: number) => number | null) {
  const results: TrialResult[] = [];
  for (;;) {
    const next = nextTrial(results, given);
    if (next === undefined) return results;
    if (results.length > 500) throw new Error('does not end');
    results.push({ ...next, score: score(next.trial, next.rung) });
  }
}

const anySearch = fc.record({
  trials: fc.integer({ min: 1, max: 30 }),
  minEpochs: fc.integer({ min: 1, max: 4 }),
  more: fc.integer({ min: 0, max: 20 }),
  reduction: fc.integer({ min: 2, max: 4 }),
  scores: fc.array(fc.option(fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 1 }),
});

const settled = ({ trials, minEpochs, more, reduction, scores }: AnySearch) => ({
  given: { ...settings, trials, minEpochs, maxEpochs: minEpochs + more, reduction },
  score: (trial: number, rung: number) => scores[(trial * 7 + rung * 3) % scores.length]!,
});
type AnySearch = typeof anySearch extends fc.Arbitrary<infer T> ? T : never;

describe('a search', () => {
  it('trains the best third for three times the epochs', () => {
    const results = search(settings, (trial) => 1 - trial / 10);
    const of = (rung: number) =>
      results.filter((one) => one.rung === rung).map(({ trial }) => trial);
    expect(rungEpochs(settings)).toEqual([1, 3, 9]);
    expect(of(0)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(of(1)).toEqual([0, 1, 2]);
    expect(of(2)).toEqual([0]);
    expect(bestFirst(results)[0]).toMatchObject({ trial: 0, epochs: 9 });
    // Nobody waits: the first three tell one that goes on, before the fourth is drawn.
    expect(results.map(({ trial, rung }) => `${trial}.${rung}`).slice(0, 5)).toEqual([
      ...['0.0', '1.0', '2.0', '0.1', '3.0'],
    ]);
  });

  it('goes on from what it has found as if it had never stopped', () => {
    fc.assert(
      fc.property(anySearch, fc.nat(), (any, at) => {
        const { given, score } = settled(any);
        const results = search(given, score);
        const stop = at % results.length;
        const { score: _, ...trial } = results[stop]!;
        const saved = JSON.parse(JSON.stringify(results.slice(0, stop))) as TrialResult[];
        expect(nextTrial(saved, given)).toEqual(trial);
      }),
    );
  });

  it('ends, and lets only the good ones go on, once each', () => {
    fc.assert(
      fc.property(anySearch, (any) => {
        const { given, score } = settled(any);
        const results = search(given, score);
        const rungs = rungEpochs(given);
        const keys = results.map(({ trial, rung }) => `${trial} ${rung}`);
        expect(new Set(keys).size).toBe(keys.length);
        expect(results.filter(({ rung }) => rung === 0)).toHaveLength(given.trials);
        results.forEach((one, i) => {
          expect(one.epochs).toBe(rungs[one.rung]);
          if (one.rung === 0) return;
          const before = results.slice(0, i).filter(({ rung }) => rung === one.rung - 1);
          const places = bestFirst(before).map(({ trial }) => trial);
          const allowed = Math.max(1, Math.floor(before.length / given.reduction));
          expect(places.slice(0, allowed)).toContain(one.trial);
        });
        const any0 = results.some(({ rung, score: found }) => rung === 0 && found !== null);
        const failed = results.some(({ rung, score: found }) => rung > 0 && found === null);
        // One is trained to the end, unless what was chosen came to nothing.
        if (any0 && !failed)
          expect(Math.max(...results.map(({ epochs }) => epochs))).toBe(given.maxEpochs);
      }),
    );
  });

  it('draws what its space holds, by seed and number alone', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(1000), (seed, trial) => {
        const drawn = drawOptions(settings.space, seed, trial);
        expect(drawn).toEqual(drawOptions(settings.space, seed, trial));
        expect(drawn['learningRate']).toBeGreaterThanOrEqual(1e-5);
        expect(drawn['learningRate']).toBeLessThanOrEqual(1e-3);
        expect(drawn['mixup']).toBeLessThanOrEqual(0.4);
        expect(['mlp', 'gmu', 'late']).toContain(drawn['fusion']);
      }),
    );
    const many = Array.from({ length: 600 }, (_, trial) => drawOptions(settings.space, 1, trial));
    const low = many.filter(({ learningRate }) => (learningRate as number) < 1e-4).length;
    expect(low / 600).toBeGreaterThan(0.4); // half of the factors, and a tenth of the differences
    expect(low / 600).toBeLessThan(0.6);
    for (const name of ['mlp', 'gmu', 'late'])
      expect(many.filter(({ fusion }) => fusion === name).length).toBeGreaterThan(140);
  });

  it('refuses what cannot be searched', () => {
    const refused = (more: object) => () => checkSearch({ ...settings, ...more });
    expect(refused({ trials: 0 })).toThrow('trials must be an integer of at least 1, got 0');
    expect(refused({ minEpochs: 10 })).toThrow('at most maxEpochs, got 10 and 9');
    expect(refused({ reduction: 1 })).toThrow('reduction must be at least 2');
    expect(refused({ space: { fusion: [] } })).toThrow('fusion must be a list of values');
    expect(refused({ space: { a: { min: 0, max: 1, log: true } } })).toThrow('above 0 with log');
    expect(refused({ space: { a: 'x' } })).toThrow('got "x"');
    expect(refused({})).not.toThrow();
  });
});
