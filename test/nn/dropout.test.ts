import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { dropout, DropoutSource } from '../../src/nn/dropout.js';
import { describeBackends, take } from '../backends.js';

describeBackends('dropout', () => {
  const shape = [64, 257];
  const mask = (source: DropoutSource, rate: number): Promise<number[]> =>
    take(source.mask(shape, rate));

  test('keeps elements with probability 1 - rate, whatever the step', async () => {
    for (const rate of [0.1, 0.5, 0.9]) {
      for (const step of [0, 1, 2 ** 33]) {
        const kept = (await mask(new DropoutSource(42, step), rate)).reduce((a, b) => a + b, 0);
        const size = shape[0]! * shape[1]!;
        const deviation = Math.sqrt(size * rate * (1 - rate));
        expect(Math.abs(kept - size * (1 - rate))).toBeLessThan(4 * deviation);
      }
    }
  });

  test('draws the same for the same seed, step and layer, and else something unrelated', async () => {
    const source = new DropoutSource(1, 5);
    const [first, second] = [await mask(source, 0.5), await mask(source, 0.5)];
    expect(await mask(new DropoutSource(1, 5), 0.5)).toEqual(first);
    const others = [
      second,
      await mask(new DropoutSource(1, 6), 0.5),
      await mask(new DropoutSource(2, 5), 0.5),
    ];
    for (const other of others) {
      const agreement = other.filter((kept, i) => kept === first[i]).length / first.length;
      expect(Math.abs(agreement - 0.5)).toBeLessThan(0.02);
    }
  });

  test('neighbours do not depend on each other', async () => {
    const kept = await mask(new DropoutSource(3, 0), 0.5);
    for (const lag of [1, 2, 16, 257]) {
      const pairs = kept.slice(lag).filter((value, i) => value === kept[i]).length;
      expect(Math.abs(pairs / (kept.length - lag) - 0.5)).toBeLessThan(0.02);
    }
  });

  test('scales what it keeps, passes the gradient of that alone, and does nothing in evaluation', async () => {
    const x = tf.tidy(() => tf.mul(tf.ones([40]), 2));
    const context = { training: true, random: new DropoutSource(1, 1) };
    const y = await take(tf.tidy(() => dropout(x, 0.2, context)));
    expect(new Set(y)).toEqual(new Set([0, 2.5]));
    const gradient = tf.grad((input) =>
      tf.sum(dropout(input, 0.2, { ...context, random: new DropoutSource(1, 1) })),
    );
    const expected = y.map((value) => (value === 0 ? 0 : 1.25));
    expect(await take(gradient(x))).toEqual(expected);
    expect(dropout(x, 0.2, { training: false })).toBe(x);
    expect(dropout(x, 0, { training: true })).toBe(x);
    expect(() => dropout(x, 0.2, { training: true })).toThrow(/new DropoutSource/);
    x.dispose();
  });
});
