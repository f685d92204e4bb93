import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { StateDict } from '../../src/nn/stateDict.js';
import { classificationReport } from '../../src/training/metrics.js';
import { cookSoup } from '../../src/training/soup.js';
import { describeBackends } from '../backends.js';

describeBackends('cookSoup', () => {
  it('averages in what does not make it worse, and leaves out the rest', async () => {
    const held: number[] = [];
    const model = tf.tidy(() => tf.variable(tf.scalar(0)));
    const load = (weights: StateDict): void => model.assign(weights['w'] as tf.Scalar);
    const measure = async () => {
      const [value] = await model.data();
      held.push(Math.round(value! * 1e4) / 1e4);
      // Best at 1, and the worse the farther.
      return classificationReport([0], [-Math.abs(value! - 1), 0], ['a', 'b']);
    };
    const values = [1.2, 0.6, 5, 1.2];
    const ingredients = values.map((value, of) => ({
      of,
      read: () => Promise.resolve({ w: tf.scalar(value) }),
    }));
    const soup = await cookSoup(ingredients, 'loss', load, measure);
    expect(held).toEqual([1.2, 0.9, 2.2667, 1]);
    expect(soup.ingredients).toEqual([0, 1, 3]);
    expect((await model.data())[0]).toBeCloseTo(1, 6);
    expect(soup.report.loss).toBeCloseTo(Math.log(2), 6);
    model.dispose();
  });
});
