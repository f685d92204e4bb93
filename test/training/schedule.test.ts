import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scheduleFactor, scheduleNames } from '../../src/training/schedule.js';
import type { ScheduleName } from '../../src/training/schedule.js';
import fixture from '../fixtures/schedule.json';

describe('scheduleFactor', () => {
  for (const { name, totalSteps, warmupSteps, rates } of fixture.cases) {
    it(`equals transformers: ${name}, ${warmupSteps} of ${totalSteps} steps of warm-up`, () => {
      const options = { totalSteps, warmupSteps };
      const ours = rates.map((_, step) => scheduleFactor(name as ScheduleName, step, options));
      ours.forEach((factor, step) => expect(factor).toBeCloseTo(rates[step]!, 12));
    });
  }

  it("without a warm-up is torch's CosineAnnealingLR", () => {
    fixture.cosineAnnealing.forEach((rate, step) => {
      expect(scheduleFactor('cosine', step, { totalSteps: 12, warmupSteps: 0 })).toBeCloseTo(
        rate,
        12,
      );
    });
  });

  it('stays within 0 and 1, rises in the warm-up and never after it', () => {
    const steps = fc.integer({ min: 0, max: 200 });
    fc.assert(
      fc.property(fc.constantFrom(...scheduleNames), steps, steps, steps, (name, a, b, step) => {
        const options = { totalSteps: Math.max(a, b), warmupSteps: Math.min(a, b) };
        fc.pre(step + 1 < options.totalSteps);
        const now = scheduleFactor(name, step, options);
        const next = scheduleFactor(name, step + 1, options);
        expect(now).toBeGreaterThanOrEqual(0);
        expect(now).toBeLessThanOrEqual(1);
        if (step < options.warmupSteps) expect(next).toBeGreaterThanOrEqual(now);
        else expect(next).toBeLessThanOrEqual(now);
      }),
    );
  });

  it('lists the known names for an unknown one', () => {
    expect(() =>
      scheduleFactor('step' as ScheduleName, 0, { totalSteps: 1, warmupSteps: 0 }),
    ).toThrow("schedule: unknown name 'step'; known: constant, linear, cosine");
  });
});
