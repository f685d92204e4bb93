import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addLora } from '../../src/nn/lora.js';
import { findLearningRate } from '../../src/training/findLearningRate.js';
import type { FindLearningRateOptions } from '../../src/training/findLearningRate.js';
import { SmoothedLoss, steepestRate, sweptRate } from '../../src/training/rangeTest.js';
import type { StepRecord } from '../../src/training/records.js';
import { Trainer } from '../../src/training/trainer.js';
import { describeBackends } from '../backends.js';
import { tinyData, tinyModel, weightsOf } from './tiny.js';

const curve = (losses: readonly number[]) =>
  losses.map((loss, i) => ({ learningRate: 10 ** (i - 8), loss, smoothedLoss: loss }));

describe('a range test', () => {
  it('multiplies the rate by the same factor from step to step', () => {
    const rates = Array.from({ length: 8 }, (_, step) => sweptRate(step, 8, 1e-7, 1));
    expect(rates[0]).toBe(1e-7);
    expect(rates[7]).toBeCloseTo(1, 12);
    for (let i = 1; i < 8; i++) expect(rates[i]! / rates[i - 1]!).toBeCloseTo(10, 9);
  });

  it('smooths as a weighted mean of the losses so far', () => {
    const losses = [4, 1, 7, 2];
    const smoothed = new SmoothedLoss(0.9);
    losses.forEach((loss, i) => {
      const weights = losses.slice(0, i + 1).map((_, j) => 0.9 ** (i - j));
      const sum = weights.reduce((total, weight, j) => total + weight * losses[j]!, 0);
      const mean = sum / weights.reduce((total, weight) => total + weight);
      expect(smoothed.next(loss)).toBeCloseTo(mean, 12);
    });
    const upTo = (max: number) => fc.double({ min: 0, max, noNaN: true });
    fc.assert(
      fc.property(upTo(0.99), upTo(9), (beta, loss) => {
        const same = new SmoothedLoss(beta);
        for (let i = 0; i < 5; i++) expect(same.next(loss)).toBeCloseTo(loss, 9);
      }),
    );
  });

  it('suggests the steepest descent, before the minimum and not in the first tenth', () => {
    expect(steepestRate(curve([3, 3, 2.9, 2.2, 1.3, 1.1, 1, 4, 9]))).toBe(10 ** -5);
    // A fall behind the minimum is that of a loss that has left its bounds.
    expect(steepestRate(curve([3, 2.8, 1, 9, 99, 50, 40, 60, 99]))).toBe(10 ** -7);
    const noisy = Array.from({ length: 40 }, (_, i) => (i < 3 ? 90 - 20 * i : 40 - i / 2));
    noisy[30] = noisy[31] = 18;
    expect(steepestRate(curve(noisy))).toBeGreaterThan(10 ** -5);
  });

  it('suggests nothing where the loss falls nowhere', () => {
    expect(steepestRate([])).toBeUndefined();
    expect(steepestRate(curve([1, 1, 1, 1, 1, 1]))).toBeUndefined();
    expect(steepestRate(curve([1, 2, 3, 4, 5, 6]))).toBeUndefined();
  });
});

const quick: FindLearningRateOptions = { batchSize: 4, steps: 24, onWarning: () => {} };

describeBackends('findLearningRate', () => {
  it('leaves the model as it was, what is frozen included', async () => {
    const model = await tinyModel();
    model.textEncoder.frozen = true;
    const norm = model.namedParameters().get('visual_encoder.bn1.weight')!;
    norm.trainable = false;
    const [before, trained] = [await weightsOf(model), [...model.trainableParameters().keys()]];
    const freeze = { text: false, image: 1, parameters: ['mlp_text.*'] };
    await findLearningRate(model, tinyData(10), { ...quick, freeze, maxLearningRate: 10 });
    expect(await weightsOf(model)).toEqual(before);
    expect([...model.trainableParameters().keys()]).toEqual(trained);
    expect(model.textEncoder.frozen).toBe(true);
    model.dispose();
  });

  it('begins as a run begins, and is equal for equal seeds', async () => {
    const model = await tinyModel();
    const test = (options: FindLearningRateOptions = {}) =>
      findLearningRate(model, tinyData(10), { ...quick, mixup: 0.3, ...options });
    const first = await test();
    expect(first.points).toHaveLength(24);
    expect(await test()).toEqual(first);
    expect((await test({ seed: 43 })).points).not.toEqual(first.points);
    const steps: StepRecord[] = [];
    const trainer = new Trainer(model, { batchSize: 4, mixup: 0.3, epochs: 1 });
    await trainer.fit(tinyData(10), { onStep: (record) => void steps.push(record) });
    expect(first.points[0]!.loss).toBe(steps[0]!.loss);
    model.dispose();
  });

  it('finds a rate that learns', async () => {
    const model = await tinyModel();
    const options = { ...quick, steps: 60, batchSize: 12 };
    const { suggestion } = await findLearningRate(model, tinyData(48), options);
    expect(suggestion).toBeGreaterThan(1e-4);
    expect(suggestion).toBeLessThan(0.5);
    const history = await new Trainer(model, {
      ...{ epochs: 8, batchSize: 12, learningRate: suggestion },
    }).fit(tinyData(48));
    expect(history.at(-1)!.loss).toBeLessThan(history[0]!.loss / 2);
    model.dispose();
  });

  it('keeps the ratio of the rates of the parts', async () => {
    const model = await tinyModel();
    const test = (headLearningRate: number) =>
      findLearningRate(model, tinyData(10), {
        ...{ ...quick, learningRate: 1e-3, headLearningRate, steps: 10 },
        ...{ minLearningRate: 1e-3, maxLearningRate: 1e-2 },
      });
    const [same, slower] = [await test(1e-3), await test(0)];
    expect(slower.points[0]!.loss).toBe(same.points[0]!.loss);
    expect(slower.points.at(-1)!.loss).not.toBe(same.points.at(-1)!.loss);
    model.dispose();
  });

  it('ends where the loss grows out of bounds, and where it is stopped', async () => {
    const model = await tinyModel();
    const before = await weightsOf(model);
    const { points, diverged } = await findLearningRate(model, tinyData(10), {
      ...{ ...quick, maxLearningRate: 1e6, steps: 60 },
    });
    expect(diverged).toBe(true);
    expect(points.length).toBeLessThan(60);
    const controller = new AbortController();
    let steps = 0;
    const onStep = (): void => void (++steps === 3 && controller.abort(new Error('enough')));
    const stopped = findLearningRate(model, tinyData(10), {
      ...{ ...quick, signal: controller.signal, onStep },
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(steps).toBe(3);
    expect(await weightsOf(model)).toEqual(before);
    model.dispose();
  });

  it('tests adapters, and takes them away again', async () => {
    const model = await tinyModel();
    const lora = { r: 2, keepAdapter: true };
    const [before, trained] = [await weightsOf(model), [...model.trainableParameters().keys()]];
    const tensors = tf.memory().numTensors;
    const expectUnchanged = async (): Promise<void> => {
      expect(tf.memory().numTensors).toBe(tensors);
      expect(await weightsOf(model)).toEqual(before);
      expect([...model.trainableParameters().keys()]).toEqual(trained);
      expect(model.textEncoder.pretrained).toBe(false);
    };
    const found = await findLearningRate(model, tinyData(10), { ...quick, lora, soup: 2 });
    expect(found.points).toHaveLength(24);
    expect(found.suggestion).toBeGreaterThan(0);
    await expectUnchanged();
    const controller = new AbortController();
    const onStep = (): void => controller.abort(new Error('enough'));
    const stopped = findLearningRate(model, tinyData(10), {
      ...{ ...quick, lora, signal: controller.signal, onStep },
    });
    await expect(stopped).rejects.toThrow('enough');
    await expectUnchanged();
    const freeze = { parameters: ['head.*'] };
    const refused = findLearningRate(model, tinyData(10), { ...quick, lora, freeze });
    await expect(refused).rejects.toThrow("got 'head.*', which names none");
    await expectUnchanged();
    model.dispose();
  });

  it('refuses a model that has adapters, and leaves them', async () => {
    const model = await tinyModel();
    addLora(model.textEncoder);
    const before = await weightsOf(model);
    const refused = findLearningRate(model, tinyData(10), quick);
    await expect(refused).rejects.toThrow('findLearningRate: the model must have no adapters');
    expect(await weightsOf(model)).toEqual(before);
    model.dispose();
  });

  it('refuses what cannot be tested, by name', async () => {
    const model = await tinyModel();
    const refused = (options: object): Promise<unknown> =>
      findLearningRate(model, tinyData(10), options);
    await expect(refused({ steps: 3 })).rejects.toThrow('findLearningRate: steps must be at least');
    await expect(refused({ minLearningRate: 1 })).rejects.toThrow('must be below maxLearningRate');
    await expect(refused({ learningRate: 0 })).rejects.toThrow('got 0; give one above 0');
    await expect(refused({ epoch: 3 })).rejects.toThrow("unknown option 'epoch'");
    expect(model.textEncoder.frozen).toBe(false);
    model.dispose();
  });
});
