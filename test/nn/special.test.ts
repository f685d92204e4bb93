import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { digamma, lgamma } from '../../src/nn/special.js';
import { describeBackends, take } from '../backends.js';
import { Oracle } from '../oracle.js';

/** Each element within 1e-5 of its own magnitude or of 1, whichever is larger. */
function expectEach(actual: readonly number[], expected: ArrayLike<number>): void {
  actual.forEach((value, i) => {
    const bound = 1e-5 * Math.max(1, Math.abs(expected[i]!));
    expect(Math.abs(value - expected[i]!), `at ${i}: ${value}`).toBeLessThan(bound);
  });
}

describeBackends('special functions against PyTorch', () => {
  test('lgamma, digamma and their gradients from 1e-4 to 1e6', async () => {
    const oracle = new Oracle('special');
    const expected = (name: string): ArrayLike<number> => oracle.host(name).values;
    const x = oracle.tensor<tf.Tensor1D>('x');
    expectEach(await take(lgammaOf(x)), expected('lgamma'));
    expectEach(await take(digammaOf(x)), expected('digamma'));
    expectEach(await take(tf.grad(lgamma)(x)), expected('digamma'));
    expectEach(await take(tf.grad(digamma)(x)), expected('trigamma'));
    x.dispose();
  });
});

const lgammaOf = (x: tf.Tensor1D): tf.Tensor1D => tf.tidy(() => lgamma(x));
const digammaOf = (x: tf.Tensor1D): tf.Tensor1D => tf.tidy(() => digamma(x));
