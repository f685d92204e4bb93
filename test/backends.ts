import { afterAll, beforeAll, describe, expect } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../src/backends/select.js';

/** The backends that every test of arithmetic runs on; `cpu` is the reference. */
export const backends = ['cpu', 'onnxruntime'] as const;

/** One test body for every backend that is present; none may leave a tensor behind. */
export function describeBackends(
  title: string,
  body: (backend: (typeof backends)[number]) => void,
): void {
  describe.each(backends)(`${title} on %s`, (backend) => {
    let before = 0;
    beforeAll(async () => {
      await useBackend(backend);
      before = tf.memory().numTensors;
    });
    afterAll(() => {
      expect(tf.memory().numTensors, 'tensors left behind').toBe(before);
    });
    body(backend);
  });
}

export interface Tolerance {
  /** Relative to the largest expected magnitude. */
  readonly relative?: number;
  readonly absolute?: number;
}

/** The values of a tensor and its disposal. */
export async function take(tensor: tf.Tensor): Promise<number[]> {
  const values = Array.from(await tensor.data());
  tensor.dispose();
  return values;
}

/** Equal within a tolerance; NaN and infinities must be where they are expected. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { relative = 1e-5, absolute = 1e-7 }: Tolerance = {},
): void {
  expect(actual.length).toBe(expected.length);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i])) scale = Math.max(scale, Math.abs(expected[i]!));
  }
  const bound = absolute + relative * scale;
  let worst = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const off = Object.is(a, e) || a === e ? 0 : Number.isFinite(e) ? Math.abs(a - e) : Infinity;
    if (off > worst || Number.isNaN(off)) {
      worst = Number.isNaN(off) ? Infinity : off;
      at = i;
    }
  }
  expect(worst, `at ${at}: got ${actual[at]}, expected ${expected[at]}`).toBeLessThanOrEqual(bound);
}
