import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/datasets/batch.js';
import { swapMatrix } from '../../src/training/imageSwap.js';
import { mixingMatrix } from '../../src/training/mixup.js';
import { betterOf } from '../../src/training/monitor.js';
import type { Best } from '../../src/training/monitor.js';
import { labelMap, rowLosses } from '../../src/training/rowLoss.js';
import { classificationReport } from '../../src/training/metrics.js';

const batchOf = (rows: readonly (readonly [text: boolean, image: boolean])[]): Batch => ({
  size: rows.length,
  positions: rows.map((_, i) => i),
  hasText: rows.map(([text]) => text),
  hasImage: rows.map(([, image]) => image),
  labels: new Int32Array(rows.length),
});
const rows = batchOf([
  [true, true],
  [true, false],
  [false, true],
  [false, false],
]);

describe('rowLosses', () => {
  it('gives each row one main loss, and rows with both inputs the auxiliary ones', () => {
    const {
      rows: count,
      weights,
      reach,
    } = rowLosses(rows, 'both', { weight: 0.5, reachEncoders: false });
    expect(count).toBe(3);
    expect([...weights.both!]).toEqual([1, 0, 0, 0]);
    expect([...weights.text!]).toEqual([0.5, 1, 0, 0]);
    expect([...weights.image!]).toEqual([0.5, 0, 1, 0]);
    expect([...reach]).toEqual([0, 1, 1, 0]);
  });

  it('has no loss for what a single mode lacks, nor a mode that no row counts in', () => {
    const { rows: count, weights } = rowLosses(rows, 'image', { weight: 1, reachEncoders: true });
    expect(count).toBe(2);
    expect(Object.keys(weights)).toEqual(['image']);
    expect([...weights.image!]).toEqual([1, 0, 1, 0]);
    const whole = rowLosses(batchOf([[true, true]]), 'both', { weight: 0, reachEncoders: true });
    expect(Object.keys(whole.weights)).toEqual(['both']);
  });
});

describe('mixingMatrix', () => {
  it('mixes each row with at most one other of its kind, itself the most', () => {
    const kinds = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 9 });
    const alpha = fc.constantFrom(0.05, 0.2, 1, 2);
    fc.assert(
      fc.property(kinds, alpha, fc.nat(), (kind, a, seed) => {
        const n = kind.length;
        const matrix = mixingMatrix(kind, a, seed, 'mixup', 0);
        for (let row = 0; row < n; row++) {
          const shares = [...matrix.subarray(row * n, row * n + n)];
          expect(shares.reduce((x, y) => x + y)).toBeCloseTo(1, 5);
          expect(shares[row]).toBeGreaterThanOrEqual(0.5);
          const others = shares.flatMap((share, i) => (i !== row && share > 0 ? [i] : []));
          expect(others.length).toBeLessThanOrEqual(1);
          others.forEach((other) => expect(kind[other]).toBe(kind[row]));
        }
        expect(mixingMatrix(kind, a, seed, 'mixup', 0)).toEqual(matrix);
      }),
    );
  });

  it('draws shares that are Beta distributed', () => {
    const n = 60;
    const kept: number[] = [];
    for (let i = 0; i < 100; i++) {
      const matrix = mixingMatrix(
        Array.from({ length: n }, () => 0),
        1,
        7,
        'mixup',
        i,
      );
      for (let row = 0; row < n; row++) kept.push(matrix[row * n + row]!);
    }
    // Beta(1, 1) is uniform, and the larger part of it uniform on 0.5 to 1.
    const mean = kept.reduce((a, b) => a + b) / kept.length;
    expect(mean).toBeGreaterThan(0.74);
    expect(mean).toBeLessThan(0.76);
  });
});

describe('swapMatrix', () => {
  const row = fc.record({ label: fc.nat(2), text: fc.boolean(), image: fc.boolean() });

  it('gives rows with both inputs the picture of one of their class, each picture to one row', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 9 }), fc.nat(), (rows, seed) => {
        const has = { hasText: rows.map((r) => r.text), hasImage: rows.map((r) => r.image) };
        const labels = rows.map((r) => r.label);
        const matrix = swapMatrix(has, labels, 1, seed, 'swap', 0);
        const sources = rows.map((_, i) => {
          const shares = [...matrix.subarray(i * rows.length, (i + 1) * rows.length)];
          expect(shares.filter((share) => share !== 0)).toEqual([1]);
          return shares.indexOf(1);
        });
        expect(new Set(sources).size).toBe(rows.length);
        sources.forEach((from, i) => {
          const { label, text, image } = rows[i]!;
          const others = rows.filter((r) => r.label === label && r.text && r.image).length - 1;
          if (!text || !image || others === 0) expect(from).toBe(i);
          else expect([rows[from], from === i]).toEqual([rows[i], false]);
        });
        expect(swapMatrix(has, labels, 1, seed, 'swap', 0)).toEqual(matrix);
      }),
    );
  });

  it('does so with its probability', () => {
    const both = Array.from({ length: 1000 }, () => true);
    const labels = both.map((_, i) => i % 3);
    const matrix = swapMatrix({ hasText: both, hasImage: both }, labels, 0.3, 7, 'swap', 0);
    const kept = both.filter((_, i) => matrix[i * 1000 + i] === 1).length;
    expect(Math.abs(kept - 700)).toBeLessThan(60);
  });
});

describe('labelMap', () => {
  it('finds classes by name', () => {
    const map = labelMap('who', { name: 'x', labels: ['b', 'c'] }, ['c', 'a', 'b']);
    expect([map(0), map(1), map(-1)]).toEqual([2, 0, -1]);
  });

  it('names what is unknown', () => {
    expect(() => labelMap('who', { name: 'x.csv', labels: ['a', 'd'] }, ['a', 'b'])).toThrow(
      "who: the labels of x.csv must be among the model's ('a', 'b'), got 'd'",
    );
  });
});

describe('betterOf', () => {
  const report = (right: number) => {
    const logits = Array.from({ length: 4 }, (_, i) => (i < right ? [2, 0] : [0, 1])).flat();
    return classificationReport([0, 0, 0, 0], logits, ['a', 'b']);
  };
  const bestOf = (counts: number[], monitor: 'accuracy' | 'loss'): number =>
    counts.reduce(
      (best: Best | undefined, n, i) => betterOf(best, i + 1, monitor, report(n)),
      undefined,
    )!.epoch;

  it('takes the largest accuracy or the smallest loss, the first among equals', () => {
    expect(bestOf([1, 3, 2, 3], 'accuracy')).toBe(2);
    expect(bestOf([1, 4, 2, 4], 'loss')).toBe(2);
  });

  it('takes the last epoch without validation, and an undefined figure only for want of another', () => {
    expect(betterOf({ epoch: 1, value: null }, 2, 'accuracy', undefined).epoch).toBe(2);
    expect(betterOf({ epoch: 1, value: 0.7 }, 2, 'auc', report(2)).epoch).toBe(1);
    expect(betterOf(undefined, 1, 'auc', report(2))).toEqual({ epoch: 1, value: null });
  });
});
