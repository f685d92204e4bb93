import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { bootstrapInterval, figureIntervals, quantile } from '../../src/evaluation/bootstrap.js';
import { erfc, mcnemar, mcnemarOf } from '../../src/evaluation/mcnemar.js';
import { precisionCurve } from '../../src/evaluation/precision.js';
import { fitTemperature } from '../../src/evaluation/temperature.js';
import {
  expectedCalibrationError,
  logLoss,
  reliabilityBins,
  softmaxRows,
} from '../../src/training/metrics.js';
import fixture from '../fixtures/evaluation.json';

describe('fitTemperature', () => {
  for (const oracle of fixture.temperatures) {
    it(`finds scipy's minimum: ${oracle.name}`, () => {
      const { labels, logits, classes } = oracle;
      const { temperature, reason } = fitTemperature(labels, { values: logits, classes });
      expect(reason).toBeUndefined();
      expect(temperature / oracle.temperature).toBeCloseTo(1, 6);
      const values = logits.map((logit) => logit / temperature);
      expect(logLoss(labels, { values, classes })).toBeCloseTo(oracle.loss, 12);
    });
  }

  it('leaves probabilities as they are where rows tell nothing, and says why', () => {
    const right = fitTemperature([0, 1], { values: [2, 0, 0, 1], classes: 2 });
    expect(right).toEqual({ temperature: 1, reason: 'every row is answered rightly' });
    const wrong = fitTemperature([1, 0], { values: [2, 0, 0, 1], classes: 2 });
    expect(wrong).toEqual({ temperature: 1, reason: 'the answers are no better than chance' });
    expect(fitTemperature([], { values: [], classes: 2 }).reason).toBe('there is no row');
  });

  it('undoes a scale', () => {
    const { labels, logits, classes, temperature } = fixture.temperatures[0]!;
    for (const scale of [0.01, 7, 300]) {
      const values = logits.map((logit) => logit * scale);
      const found = fitTemperature(labels, { values, classes });
      expect(found.temperature / scale / temperature).toBeCloseTo(1, 6);
    }
  });
});

describe('precisionCurve', () => {
  for (const oracle of fixture.precisions) {
    it(`has scikit-learn's thresholds for ${oracle.right.length} answers`, () => {
      const answers = oracle.probability.map((probability, i) => ({
        probability,
        right: oracle.right[i]!,
      }));
      const points = precisionCurve(answers, 1);
      for (const [wanted, expected] of Object.entries(oracle.thresholds)) {
        const point = points.find(({ precision }) => precision >= Number(wanted));
        expect(point?.threshold ?? null, wanted).toBe(expected);
        if (point === undefined) continue;
        const kept = answers.filter(({ probability }) => probability >= point.threshold);
        expect(kept.length).toBe(point.rows);
        expect(kept.filter(({ right }) => right).length / kept.length).toBe(point.precision);
      }
    });
  }

  it('believes no threshold that few answers reach', () => {
    const answers = Array.from({ length: 12 }, (_, i) => ({ probability: i / 12, right: i >= 4 }));
    expect(precisionCurve(answers, 9).map(({ rows }) => rows)).toEqual([12, 11, 10, 9]);
    expect(precisionCurve(answers, 13)).toEqual([]);
    expect(precisionCurve([], 1)).toEqual([]);
  });
});

describe('mcnemar', () => {
  for (const { onlyFirst, onlySecond, ...oracle } of fixture.mcnemar) {
    it(`equals statsmodels: ${onlyFirst} against ${onlySecond}`, () => {
      const found = mcnemarOf(onlyFirst, onlySecond);
      expect(found).toMatchObject({ onlyFirst, onlySecond, exact: oracle.exact });
      expect(found.statistic).toBeCloseTo(oracle.statistic, 12);
      expect(found.pValue / oracle.pValue).toBeCloseTo(1, 12);
    });
  }

  it('calls equal counts equal, where statsmodels corrects beyond zero', () => {
    const { onlyFirst, onlySecond, pValue } = fixture.evenMcnemar;
    expect(pValue).toBeLessThan(1);
    expect(mcnemarOf(onlyFirst, onlySecond)).toMatchObject({ statistic: 0, pValue: 1 });
  });

  it('counts the rows that only one answers rightly', () => {
    const found = mcnemar([0, 1, 2, 0, 1], [0, 1, 0, 1, 1], [0, 2, 2, 0, 0]);
    expect(found).toMatchObject({ onlyFirst: 2, onlySecond: 2, pValue: 1, exact: true });
    expect(() => mcnemar([0, 1], [0], [0, 1])).toThrow('the same rows, got 2 labels, 1 and 2');
  });

  it('erfc is that of scipy', () => {
    fixture.erfc.x.forEach((x, i) => {
      expect(erfc(x) / fixture.erfc.expected[i]!, String(x)).toBeCloseTo(1, 12);
    });
  });
});

describe('bootstrapInterval', () => {
  for (const { labels, predictions, ...oracle } of fixture.intervals) {
    it(`agrees with the binomial distribution and with scipy on ${labels.length} rows`, () => {
      const found = figureIntervals(labels, predictions, { resamples: 8000 });
      const row = 1 / labels.length;
      expect(Math.abs(found.accuracy.low - oracle.accuracy.low)).toBeLessThanOrEqual(1.01 * row);
      expect(Math.abs(found.accuracy.high - oracle.accuracy.high)).toBeLessThanOrEqual(1.01 * row);
      expect(Math.abs(found.macroF1.low - oracle.macroF1.low)).toBeLessThan(0.006);
      expect(Math.abs(found.macroF1.high - oracle.macroF1.high)).toBeLessThan(0.006);
      expect(found.accuracy).toEqual(
        bootstrapInterval(labels, predictions, 'accuracy', { resamples: 8000 }),
      );
    });
  }

  it('depends on its seed alone, and is wider for more confidence', () => {
    const { labels, predictions } = fixture.intervals[0]!;
    const drawn = (options: object) => bootstrapInterval(labels, predictions, 'macroF1', options);
    expect(drawn({ seed: 1 })).toEqual(drawn({ seed: 1 }));
    expect(drawn({ seed: 1 })).not.toEqual(drawn({ seed: 2 }));
    const [narrow, wide] = [drawn({ confidence: 0.5 }), drawn({ confidence: 0.99 })];
    expect(wide.low).toBeLessThan(narrow.low);
    expect(wide.high).toBeGreaterThan(narrow.high);
  });

  it('takes a figure of one`s own, and refuses what it cannot draw from', () => {
    const perfect = bootstrapInterval([0, 1, 1], [0, 1, 1], (confusion) => confusion[0]!.length);
    expect(perfect).toEqual({ low: 2, high: 2 });
    expect(() => bootstrapInterval([], [])).toThrow('at least one row');
    expect(() => bootstrapInterval([0], [0, 1])).toThrow('one label a row');
    expect(() => bootstrapInterval([0], [0], 'accuracy', { resamples: 0 })).toThrow('resamples');
    for (const name of ['macroF2', 'toString']) {
      expect(() => bootstrapInterval([0, 1], [0, 1], name as 'macroF1')).toThrow(
        new InputError(
          'bootstrapInterval: figure must be accuracy, macroF1, weightedF1, or a function of the confusion matrix, ' +
            `got '${name}'`,
        ),
      );
    }
    expect(() => bootstrapInterval([0], [0], 'accuracy', { confidence: 95 })).toThrow('got 95');
  });

  it('quantiles are those of numpy', () => {
    const { values, shares, expected } = fixture.quantiles;
    const sorted = values.toSorted((a, b) => a - b);
    shares.forEach((share, i) => expect(quantile(sorted, share)).toBeCloseTo(expected[i]!, 12));
  });
});

describe('reliabilityBins', () => {
  it('hold every row once, and their gaps are the calibration error', () => {
    const logits = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 3, maxLength: 3 });
    const row = fc.record({ label: fc.integer({ min: 0, max: 2 }), logits });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), (rows) => {
        const labels = rows.map(({ label }) => label);
        const values = softmaxRows({ values: rows.flatMap((one) => one.logits), classes: 3 });
        const bins = reliabilityBins(labels, { values, classes: 3 });
        expect(bins.reduce((sum, bin) => sum + bin.rows, 0)).toBe(rows.length);
        bins.forEach(({ rows: held, confidence }, i) => {
          if (held === 0) return;
          expect(confidence / held).toBeGreaterThan(i / 15 - 1e-12);
          expect(confidence / held).toBeLessThan((i + 1) / 15 + 1e-12);
        });
        const gaps = bins.map(({ right, confidence }) => Math.abs(right - confidence));
        const error = gaps.reduce((sum, gap) => sum + gap) / rows.length;
        expect(expectedCalibrationError(labels, { values, classes: 3 })).toBeCloseTo(error, 12);
      }),
    );
  });
});
