import { expect, test, vi } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import { setDebug, setThreads, stats } from '../../src/onnxruntime.js';

test('what is chosen of the backend before it is used holds, where TensorFlow.js picks it itself', async () => {
  const texts: string[] = [];
  setThreads(1);
  setDebug(1, { print: (text) => texts.push(text) });
  const y = tf.grad((x) => tf.sum(tf.exp(x)))(tf.tensor1d([0, 0]));
  expect(tf.getBackend()).toBe('onnxruntime');
  expect(Array.from(await y.data())).toEqual([1, 1]);
  expect(texts).toHaveLength(1);
  expect(stats().runs).toBe(1);
  expect(() => setThreads(2)).toThrow(/threads cannot change .*, got 2 after 1; /);
});

test('it may be removed and begun anew, and nothing is said of it', async () => {
  const warnings = vi.spyOn(console, 'warn');
  tf.removeBackend('onnxruntime');
  expect(await useBackend('onnxruntime')).toBe('onnxruntime');
  expect(Array.from(await tf.exp(tf.tensor1d([0, 0])).data())).toEqual([1, 1]);
  expect(warnings).not.toHaveBeenCalled();
  warnings.mockRestore();
});
