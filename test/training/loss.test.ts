import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { softmaxCrossEntropy, targetDistributions } from '../../src/training/loss.js';
import { describeBackends, take } from '../backends.js';
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
