import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../src/backends/select.js';

/** The backends that every test of arithmetic runs on where they are present; `cpu` is the reference. */
export type TestedBackend = 'cpu' | 'onnxruntime' | 'wasm' | 'tensorflow';

/** Those that are present: `tensorflow` where `npm run build:tensorflow` built it. */
export const backends: readonly TestedBackend[] = [
  'cpu',
  'onnxruntime',
  'wasm',
  ...(hasTensorFlow() ? (['tensorflow'] as const) : []),
];

function hasTensorFlow(): boolean {
  const module = 'node_modules/@tensorflow/tfjs-node/lib/napi-v8/tfjs_binding.node';
  return existsSync(new URL(`../${module}`, import.meta.url));
}

/**
 * One test body for every backend that is present; none may leave a tensor behind.
 *
 * @param among only these, where the others lack what is tested.
 */
export function describeBackends(
  title: string,
  body: (backend: TestedBackend) => void,
  among: readonly TestedBackend[] = backends,
): void {
  const tested = backends.filter((backend) => among.includes(backend));
  describe.each(tested)(`${title} on %s`, (backend) => {
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
