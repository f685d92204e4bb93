import { expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { ensureBackend } from '../../src/backends/select.js';

test('the first thing that computes picks the backend, and may be read within the call', () => {
  ensureBackend();
  expect(tf.getBackend()).toBe('onnxruntime');
  const y = tf.square(tf.tensor1d([1, 2, 3]));
  expect(Array.from(y.dataSync())).toEqual([1, 4, 9]);
});

test('a kernel that the host computes finds it, whichever backends were loaded before', async () => {
  const [values, places] = tf.tidy(() => {
    const x = tf.square(tf.tensor1d([1, 2, -1]));
    return [tf.unique(x).values, tf.searchSorted(x, tf.tensor1d([2]))];
  });
  expect(Array.from(values!.dataSync())).toEqual([1, 4]);
  expect(Array.from(await places!.data())).toEqual([1]);
  expect(tf.getBackend()).toBe('onnxruntime');
});
