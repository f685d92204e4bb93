import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accuracy,
  areaUnderRoc,
  binaryAuc,
  classificationReport,
  classReports,
  confusionMatrix,
  expectedCalibrationError,
  logLoss,
  macroF1,
  softmaxRows,
  weightedF1,
} from '../../src/training/metrics.js';
import fixture from '../fixtures/metrics.json';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `label ${i}`);

describe('classificationReport equals scikit-learn', () => {
  for (const oracle of fixture.cases) {
    it(oracle.name, () => {
      const report = classificationReport(oracle.labels, oracle.logits, names(oracle.classes));
      for (const figure of ['accuracy', 'macroF1', 'weightedF1', 'loss', 'ece'] as const) {
        expect(report[figure], figure).toBeCloseTo(oracle[figure], 12);
      }
      if (oracle.auc === null) expect(report.auc).toBeNull();
      else expect(report.auc).toBeCloseTo(oracle.auc, 12);
      expect(report.aucReason === undefined).toBe(oracle.auc !== null);
      expect(report.confusion).toEqual(oracle.confusion);
      expect(report.rows).toBe(oracle.labels.length);
      Object.values(report.perClass).forEach((figures, c) => {
        expect(figures.precision).toBeCloseTo(oracle.perClass.precision[c]!, 12);
        expect(figures.recall).toBeCloseTo(oracle.perClass.recall[c]!, 12);
        expect(figures.f1).toBeCloseTo(oracle.perClass.f1[c]!, 12);
        expect(figures.support).toBe(oracle.perClass.support[c]);
      });
    });
  }
});

const answers = fc.integer({ min: 2, max: 5 }).chain((classes) =>
  fc.record({
    classes: fc.constant(classes),
    rows: fc.array(
      fc.record({
        label: fc.integer({ min: 0, max: classes - 1 }),
        // few distinct values, so that ties are common
        logits: fc.array(fc.integer({ min: -3, max: 3 }), {
          minLength: classes,
          maxLength: classes,
        }),
      }),
      { minLength: 1, maxLength: 30 },
    ),
  }),
);

describe('metrics by brute force', () => {
  it('the figures of the confusion matrix count what they name', () => {
    fc.assert(
      fc.property(answers, ({ classes, rows }) => {
        const labels = rows.map(({ label }) => label);
        const predictions = rows.map(({ logits }) => logits.indexOf(Math.max(...logits)));
        const confusion = confusionMatrix(labels, predictions, classes);
        expect(confusion.flat().reduce((a, b) => a + b)).toBe(rows.length);
        const right = predictions.filter((prediction, i) => prediction === labels[i]).length;
        expect(accuracy(labels, predictions)).toBe(right / rows.length);
        classReports(confusion).forEach(({ precision, recall, f1, support }, c) => {
          const both = rows.filter((_, i) => labels[i] === c && predictions[i] === c).length;
          expect(support).toBe(labels.filter((label) => label === c).length);
          expect(recall * support).toBeCloseTo(both, 9);
          expect(precision * predictions.filter((p) => p === c).length).toBeCloseTo(both, 9);
          expect(f1 * (precision + recall)).toBeCloseTo(2 * precision * recall, 9);
        });
        for (const score of [macroF1(confusion), weightedF1(confusion)]) {
          expect(score).toBeGreaterThanOrEqual(0);
          expect(score).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('the area under the curve is the share of pairs in order, ties one half', () => {
    const row = fc.record({ positive: fc.boolean(), score: fc.integer({ min: 0, max: 4 }) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 25 }), (rows) => {
        const wins: number[] = rows
          .filter(({ positive }) => positive)
          .flatMap((a) =>
            rows
              .filter(({ positive }) => !positive)
              .map((b) => (a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0)),
          );
        fc.pre(wins.length > 0);
        const auc = binaryAuc(
          rows.map((r) => r.positive),
          rows.map((r) => r.score),
        );
        expect(auc).toBeCloseTo(wins.reduce((sum, win) => sum + win, 0) / wins.length, 12);
      }),
    );
  });

  it('the log loss is at least 0 and does not move when a row of logits is shifted', () => {
    fc.assert(
      fc.property(answers, fc.integer({ min: -50, max: 50 }), ({ classes, rows }, shift) => {
        const labels = rows.map(({ label }) => label);
        const values = rows.flatMap(({ logits }) => logits);
        const loss = logLoss(labels, { values, classes });
        expect(loss).toBeGreaterThanOrEqual(0);
        expect(logLoss(labels, { values: values.map((v) => v + shift), classes })).toBeCloseTo(
          loss,
          9,
        );
      }),
    );
  });
});

describe('edges', () => {
  it('the loss of extreme logits is finite and exact', () => {
    expect(logLoss([0], { values: [-1e4, 1e4], classes: 2 })).toBe(2e4);
    expect(logLoss([1], { values: [-1e4, 1e4], classes: 2 })).toBe(0);
    softmaxRows({ values: [1000, 1000], classes: 2 }).forEach((p) =>
      expect(p).toBeCloseTo(0.5, 12),
    );
  });

  it('an undefined area says why', () => {
    const report = classificationReport(
      [0, 0, 1],
      [1, 0, 0, 1, 0, 0, 0, 1, 0],
      ['cat', 'dog', 'cow'],
    );
    expect(report.auc).toBeNull();
    expect(report.aucReason).toBe("no row has the label of class 'cow'");
    expect(areaUnderRoc([1, 1], { values: [0, 1, 0, 1], classes: 2 }).auc).toBeNull();
  });

  it('a confidence of 1 falls in the last bin', () => {
    expect(expectedCalibrationError([0], { values: [1, 0], classes: 2 })).toBe(0);
    expect(expectedCalibrationError([1], { values: [1, 0], classes: 2 })).toBe(1);
  });

  it('a label may be called anything', () => {
    const report = classificationReport([0, 1], [1, 0, 0, 1], ['__proto__', 'constructor']);
    expect(Object.keys(report.perClass)).toEqual(['__proto__', 'constructor']);
  });

  it('refuses no rows, a label that is no class, uneven lengths and logits that are no numbers', () => {
    expect(() => classificationReport([], [], ['a', 'b'])).toThrow('at least one row');
    expect(() => classificationReport([2], [0, 0], ['a', 'b'])).toThrow(
      'an integer below 2, got 2',
    );
    expect(() => classificationReport([0, 1], [0, 0], ['a', 'b'])).toThrow('2 labels for 1 rows');
    expect(() => classificationReport([0, 0], [0, 0, NaN, 0], ['a', 'b'])).toThrow(
      'got NaN in row 1',
    );
  });
});
