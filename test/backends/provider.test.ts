import { afterAll, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import type { BackendOptions } from '../../src/backends/select.js';

afterAll(() => useBackend('cpu'));

const wanted = (executionProvider: string) =>
  useBackend('onnxruntime', { executionProvider } as BackendOptions);

test('a provider that this platform has none of is refused with those that it has', async () => {
  await expect(wanted('abacus')).rejects.toThrow(
    /^onnxruntime: executionProvider must be one of cpu, .* on .*, got 'abacus'$/,
  );
});

test('a provider that cannot start says why, and the next choice is free', async () => {
  const unavailable = process.platform === 'linux' && process.arch === 'x64' ? 'cuda' : 'coreml';
  const refusal = await wanted(unavailable).then(
    () => 'it started',
    (error: Error) => error.message,
  );
  // A machine may have what it takes.
  if (refusal === 'it started') return;
  expect(refusal).toMatch(
    /^onnxruntime: executionProvider '?.*(cannot start here \(.+\)|must be one of)/,
  );
  expect(await useBackend('onnxruntime')).toBe('onnxruntime');
  const y = tf.square(tf.tensor1d([1, 2, 3]));
  expect(Array.from(await y.data())).toEqual([1, 4, 9]);
  y.dispose();
  await expect(wanted(unavailable)).rejects.toThrow(
    /^onnxruntime: executionProvider cannot change once something was computed, got .* after the default/,
  );
});
