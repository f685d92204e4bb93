import { expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { ensureBackend } from '../../src/backends/select.js';

test('the first thing that computes picks the backend, and may be read within the call', () => {
  ensureBackend();
  expect(tf.getBackend()).toBe('onnxruntime');
  const y = tf.square(tf.tensor1d([1, 2, 3]));
  expect(Array.from(y.dataSync())).toEqual([1, 4, 9]);
});
