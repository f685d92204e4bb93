import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  crossEntropyRows,
  divergenceRows,
  focalRows,
  softmaxCrossEntropy,
  targetDistributions,
  weightedSum,
} from '../../src/training/loss.js';
import { describeBackends, expectClose, take } from '../backends.js';
import more from '../fixtures/loss.json';
import fixture from '../fixtures/optimizer.json';

describeBackends('loss', () => {
  describe('softmaxCrossEntropy equals torch.nn.CrossEntropyLoss', () => {
    for (const { shape, logits, labels, smoothing, loss, gradient } of fixture.crossEntropy) {
      it(`${shape.join(' x ')}, smoothing ${smoothing}`, async () => {
        const [rows, classes] = shape as [number, number];
        const x = tf.tensor2d(logits, [rows, classes]);
        const f = (t: tf.Tensor): tf.Scalar =>
          softmaxCrossEntropy(t as tf.Tensor2D, labels, { smoothing });
        const { value, grad } = tf.valueAndGrad(f)(x);
        expect((await take(value))[0]! / loss).toBeCloseTo(1, 6);
        (await take(grad)).forEach((g, i) => expect(g).toBeCloseTo(gradient[i]!, 6));
        x.dispose();
      });
    }
  });

  describe('class weights are those of torch.nn.CrossEntropyLoss', () => {
    for (const oracle of more.weighted) {
      const { shape, labels, smoothing } = oracle;
      it(`${shape.join(' x ')}, smoothing ${smoothing}`, async () => {
        const [rows, classes] = shape as [number, number];
        const classWeights = Float32Array.from(oracle.weights);
        const divisor = labels.reduce((sum, label) => sum + classWeights[label]!, 0);
        const values = targetDistributions(labels, classes, smoothing, classWeights);
        const x = tf.tensor2d(oracle.logits, [rows, classes]);
        const f = (logits: tf.Tensor): tf.Scalar => {
          const shares = tf.fill([rows], 1 / divisor) as tf.Tensor1D;
          const targets = tf.tensor2d(values, [rows, classes]);
          return weightedSum(crossEntropyRows(logits as tf.Tensor2D, targets), shares);
        };
        const { value, grad } = tf.valueAndGrad(f)(x);
        expectClose(await take(value), [oracle.loss], { relative: 1e-5 });
        expectClose(await take(grad), oracle.gradient, { relative: 1e-5 });
        x.dispose();
      });
    }
  });

  describe('the focal loss is that which torch differentiates', () => {
    for (const oracle of more.focal) {
      const { shape, labels, gamma } = oracle;
      it(`${shape.join(' x ')}, gamma ${gamma}`, async () => {
        const [rows, classes] = shape as [number, number];
        const x = tf.tensor2d(oracle.logits, [rows, classes]);
        const targets = tf.tensor2d(targetDistributions(labels, classes), [rows, classes]);
        const f = (logits: tf.Tensor): tf.Scalar =>
          tf.mean(focalRows(logits as tf.Tensor2D, targets, gamma));
        const { value, grad } = tf.valueAndGrad(f)(x);
        expectClose(await take(value), [oracle.loss], { relative: 1e-4 });
        expectClose(await take(grad), oracle.gradient, { relative: 1e-4 });
        tf.dispose([x, targets]);
      });
    }

    it('is finite at extreme logits, below gamma 1 too', async () => {
      const x = tf.tensor2d([1e4, -1e4, -1e4, 1e4], [2, 2]);
      const targets = tf.tensor2d([1, 0, 1, 0], [2, 2]);
      const f = (logits: tf.Tensor): tf.Scalar =>
        tf.sum(focalRows(logits as tf.Tensor2D, targets, 0.5));
      const { value, grad } = tf.valueAndGrad(f)(x);
      expect((await take(value))[0]).toBeCloseTo(2e4, 0);
      expectClose(await take(grad), [0, 0, -1, 1], { absolute: 1e-5 });
      tf.dispose([x, targets]);
    });
  });

  describe("R-Drop's divergence is that which torch differentiates", () => {
    for (const oracle of more.divergence) {
      const { shape, values, gradients } = oracle;
      it(shape.join(' x '), async () => {
        const [rows, classes] = shape as [number, number];
        const answers = [oracle.first, oracle.second].map((x) => tf.tensor2d(x, [rows, classes]));
        const weights = tf.tensor1d(oracle.weights);
        const [first, second] = answers as [tf.Tensor2D, tf.Tensor2D];
        // Logarithms of probabilities that are nearly equal differ by their rounding.
        const tolerance = { relative: 1e-4, absolute: 1e-7 };
        expectClose(await take(divergenceRows(first, second)), values, tolerance);
        const f = (a: tf.Tensor, b: tf.Tensor): tf.Scalar =>
          weightedSum(divergenceRows(a as tf.Tensor2D, b as tf.Tensor2D), weights);
        const grads = tf.grads(f)(answers);
        for (const [i, grad] of grads.entries())
          expectClose(await take(grad), gradients[i]!, tolerance);
        tf.dispose([answers, weights]);
      });
    }

    it('is finite at extreme logits', async () => {
      const answers = [tf.tensor2d([1e4, -1e4], [1, 2]), tf.tensor2d([-1e4, 1e4], [1, 2])];
      const f = (a: tf.Tensor, b: tf.Tensor): tf.Scalar =>
        tf.sum(divergenceRows(a as tf.Tensor2D, b as tf.Tensor2D));
      const { value, grads } = tf.valueAndGrads(f)(answers);
      expect((await take(value))[0]).toBeCloseTo(2e4, 0);
      for (const grad of grads) expect((await take(grad)).every(Number.isFinite)).toBe(true);
      tf.dispose(answers);
    });
  });

  describe('softmaxCrossEntropy', () => {
    it('leaves out rows without a label, and weighs the others', async () => {
      const logits = tf.tensor2d([2, 0, 0, 1, -1, 5], [3, 2]);
      const one = (row: number, label: number): number => {
        const [a, b] = [
          [2, 0],
          [0, 1],
          [-1, 5],
        ][row]!;
        return Math.log(Math.exp(a!) + Math.exp(b!)) - [a!, b!][label]!;
      };
      const plain = await take(softmaxCrossEntropy(logits, [0, -1, 1]));
      expect(plain[0]).toBeCloseTo((one(0, 0) + one(2, 1)) / 2, 6);
      const weighted = await take(softmaxCrossEntropy(logits, [0, 0, 1], { weights: [1, 3, 0] }));
      logits.dispose();
      expect(weighted[0]).toBeCloseTo((one(0, 0) + 3 * one(1, 0)) / 4, 6);
    });

    it('has a finite loss and gradient at extreme logits', async () => {
      const x = tf.tensor2d([1e4, -1e4, -1e4, 1e4], [2, 2]);
      const { value, grad } = tf.valueAndGrad((t) => softmaxCrossEntropy(t as tf.Tensor2D, [1, 1]))(
        x,
      );
      x.dispose();
      expect((await take(value))[0]).toBeCloseTo(1e4, 0);
      expect(await take(grad)).toEqual([0.5, -0.5, 0, 0]);
    });

    it('refuses uneven lengths, an unknown label and rows that all lack one', () => {
      const logits = tf.zeros([2, 3]) as tf.Tensor2D;
      expect(() => softmaxCrossEntropy(logits, [0])).toThrow('1 labels for 2 rows');
      expect(() => softmaxCrossEntropy(logits, [0, 3])).toThrow('below 3 classes, got 3');
      expect(() => softmaxCrossEntropy(logits, [-1, -1])).toThrow('no row has a label');
      expect(() => softmaxCrossEntropy(logits, [0, 1], { smoothing: 1.5 })).toThrow(
        'from 0 to 1, got 1.5',
      );
      logits.dispose();
    });
  });
});

describe('targetDistributions', () => {
  it('each row sums to 1 with its label the most likely, and is zero without a label', () => {
    const labels = fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 12 });
    fc.assert(
      fc.property(labels, fc.double({ min: 0, max: 0.9, noNaN: true }), (rows, smoothing) => {
        const targets = targetDistributions(rows, 4, smoothing);
        rows.forEach((label, row) => {
          const values = [...targets.subarray(row * 4, row * 4 + 4)];
          expect(values.reduce((a, b) => a + b)).toBeCloseTo(label === -1 ? 0 : 1, 5);
          if (label >= 0) expect(values[label]).toBe(Math.max(...values));
        });
      }),
    );
  });
});
