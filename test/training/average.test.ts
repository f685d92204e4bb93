import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { WeightAverage } from '../../src/training/average.js';
import { describeBackends, expectClose, take } from '../backends.js';
import fixture from '../fixtures/loss.json';

const variableOf = (values: readonly number[]): tf.Variable =>
  tf.tidy(() => tf.variable(tf.tensor1d([...values])));

describeBackends('the average of weights', () => {
  const { decay, first, weights, average: expected } = fixture.average;

  it('is that of torch.optim.swa_utils where the decay is below that of the first steps', async () => {
    const live = variableOf(first);
    const average = new WeightAverage(new Map([['w', live]]), decay);
    for (const [step, values] of weights.entries()) {
      tf.tidy(() => live.assign(tf.tensor1d(values)));
      average.update(step);
    }
    expectClose(await average.state()['w']!.data(), expected, { relative: 1e-6 });
    average.dispose();
    live.dispose();
  });

  it('moves by 1 - (1 + steps) / (10 + steps) at first, then by 1 - decay', async () => {
    const live = variableOf([0]);
    const average = new WeightAverage(new Map([['w', live]]), 0.5);
    tf.tidy(() => live.assign(tf.tensor1d([1])));
    let value = 0;
    for (let step = 0; step < 12; step++) {
      average.update(step);
      value += (1 - value) * (1 - Math.min(0.5, (1 + step) / (10 + step)));
      expectClose(await average.state()['w']!.data(), [value], { relative: 1e-6 });
    }
    average.dispose();
    live.dispose();
  });

  it('is lent to the model, which has its own weights back afterwards, whatever happens', async () => {
    const live = variableOf([1, 2]);
    const average = new WeightAverage(new Map([['w', live]]), 0.9);
    tf.tidy(() => live.assign(tf.tensor1d([3, 4])));
    expect(await average.lend(async () => Array.from(await live.data()))).toEqual([1, 2]);
    await expect(average.lend(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(Array.from(await live.data())).toEqual([3, 4]);
    expect(await take(tf.clone(average.state()['w']!))).toEqual([1, 2]);
    average.dispose();
    live.dispose();
  });

  it('refuses a state in which a name is missing', () => {
    const live = variableOf([1]);
    const average = new WeightAverage(new Map([['w', live]]), 0.9);
    expect(() => average.setState({})).toThrow("must hold 'w'");
    average.dispose();
    live.dispose();
  });
});
