import { afterAll, describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import { Random } from '../../src/nn/random.js';
import { expectClose, take } from '../backends.js';
import type { TestedBackend } from '../backends.js';

export type Shape = readonly number[];
/** A computation whose result and gradient must be those of `cpu`. */
export interface Case {
  readonly name: string;
  /** Shapes of the float inputs, whose gradient is compared too. */
  readonly shapes: readonly Shape[];
  readonly compute: (...inputs: tf.Tensor[]) => tf.Tensor;
  readonly range?: readonly [number, number];
  /** False where the operator has no gradient. */
  readonly gradient?: boolean;
  readonly relative?: number;
}

export const unary = (
  name: string,
  f: (x: tf.Tensor) => tf.Tensor,
  range?: [number, number],
  gradient = true,
): Case => ({
  name,
  shapes: [[2, 3, 1, 5]],
  compute: f,
  ...(range === undefined ? {} : { range }),
  gradient,
});

export const i32 = (values: number[], shape?: number[]) =>
  tf.tensor(values, shape ?? [values.length], 'int32');
export const nhwc = (x: tf.Tensor) => x as tf.Tensor4D;

async function outputsOf(backend: TestedBackend, { shapes, compute, range, gradient }: Case) {
  await useBackend(backend);
  const random = new Random('kernels', ...shapes.flat());
  const [low, high] = range ?? [-2, 2];
  const inputs = shapes.map((shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(
      Float32Array.from({ length: size }, () => random.uniform(low, high)),
      shape as number[],
    );
  });
  const before = tf.memory().numTensors;
  const y = tf.tidy(() => compute(...inputs));
  const { shape, dtype } = y;
  const outputs = [await take(y)];
  if (gradient !== false) {
    const weigh = (...x: tf.Tensor[]) => {
      const out = compute(...x);
      const weights = Float32Array.from({ length: out.size }, (_, i) => Math.sin(i + 1));
      return tf.sum(tf.mul(out, tf.tensor(weights, out.shape)));
    };
    const gradients = tf.tidy(() => tf.grads(weigh)(inputs));
    for (const gradient of gradients) outputs.push(await take(gradient));
  }
  expect(tf.memory().numTensors).toBe(before);
  tf.dispose(inputs);
  return { shape, dtype, outputs };
}

/** A test for each case; `title` says what they have in common. */
export function compareWithCpu(
  title: string,
  cases: readonly Case[],
  backend: TestedBackend = 'onnxruntime',
): void {
  describe(`${title} of ${backend} equal those of cpu, forward and gradient`, () => {
    afterAll(() => useBackend('cpu'));
    test.each(cases)('$name', async (example) => {
      const expected = await outputsOf('cpu', example);
      const actual = await outputsOf(backend, example);
      expect(actual.shape).toEqual(expected.shape);
      expect(actual.dtype).toBe(expected.dtype);
      expected.outputs.forEach((output, i) =>
        expectClose(actual.outputs[i]!, output, {
          relative: example.relative ?? 1e-5,
          absolute: 1e-6,
        }),
      );
    });
  });
}
