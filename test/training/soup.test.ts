import * as tf from '@tensorflow/tfjs-core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { StateDict } from '../../src/nn/stateDict.js';
import { classificationReport } from '../../src/training/metrics.js';
import type { Monitor } from '../../src/training/monitor.js';
import { cookSoup, greedySoup } from '../../src/training/soup.js';
import { describeBackends } from '../backends.js';
import { tinyData, tinyModel, weightsOf } from './tiny.js';

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

describeBackends('greedySoup', () => {
  it('refuses a figure that is none before it reads a file, and leaves the model', async () => {
    const model = await tinyModel();
    const calibration = { data: 'tiny', heads: {} };
    model.calibration = calibration;
    const before = await weightsOf(model);
    const monitor = 'acuracy' as Monitor;
    const refused = greedySoup(model, ['nowhere'], tinyData(6), { monitor });
    await expect(refused).rejects.toThrow(
      /^greedySoup: monitor must be one of "accuracy", .*, got "acuracy"$/,
    );
    await expect(greedySoup(model, ['nowhere'], tinyData(6))).rejects.toThrow('nowhere');
    expect(await weightsOf(model)).toEqual(before);
    expect(model.calibration).toBe(calibration);
    model.dispose();
  });

  it('measures without the calibration of other weights, and leaves none', async () => {
    const model = await tinyModel();
    const folder = await mkdtemp(join(tmpdir(), 'soup-'));
    await model.save(folder);
    model.calibration = {
      data: 'tiny',
      heads: { both: { temperature: 2, rows: 6, precision: {} } },
    };
    const soup = await greedySoup(model, [join(folder, 'model.safetensors')], tinyData(6));
    expect(soup.report).not.toHaveProperty('calibrated');
    expect(model.calibration).toBeUndefined();
    await rm(folder, { recursive: true });
    model.dispose();
  });
});
