import { beforeAll, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { stats } from '../../src/onnxruntime.js';

// What docs/backends.md says of TensorFlow.js's features on a lazy backend.

const x = () => tf.tensor2d([1, 2, 3, 4], [2, 2]);
const count = async (work: () => Promise<unknown>) => {
  const before = stats();
  await work();
  const after = stats();
  return {
    runs: after.runs - before.runs,
    programs: after.compilations - before.compilations,
  };
};

beforeAll(async () => {
  await tf.setBackend('onnxruntime');
});

test('values are read in every form', async () => {
  const y = tf.square(x());
  expect(await tf.square(y).array()).toEqual([
    [1, 16],
    [81, 256],
  ]);
  expect((await tf.neg(y).buffer()).get(1, 1)).toBe(-16);
  expect(tf.add(y, 1).bufferSync().get(0, 1)).toBe(5);
  expect(tf.add(y, 2).toString()).toContain('[11, 18]');
});

test('a number that is an attribute compiles anew, one that is a tensor does not', async () => {
  const times = async (compute: (i: number) => tf.Tensor) => {
    for (let i = 1; i <= 5; i++) await tf.tidy(() => compute(i)).data();
  };
  const clip = (i: number) => tf.clipByValue(tf.sqrt(x()), 0, i);
  expect(await count(() => times(clip))).toEqual({ runs: 5, programs: 5 });
  expect(await count(() => times((i) => tf.mul(tf.exp(x()), i)))).toEqual({ runs: 5, programs: 1 });
  const data = tf.range(0, 40);
  const batch = (i: number) => tf.square(tf.slice(data, [i * 4], [4]));
  expect(await count(() => times(batch))).toEqual({ runs: 5, programs: 1 });
});

test('a loop that assigns variables and reads nothing runs step by step', async () => {
  const w = tf.variable(tf.scalar(1));
  const steps = async () => {
    for (let i = 0; i < 20; i++) tf.tidy(() => w.assign(tf.mul(tf.sin(w), 0.9)));
    return w.data();
  };
  const { runs, programs } = await count(steps);
  expect(runs).toBeGreaterThan(10);
  expect(programs).toBeLessThanOrEqual(3);
  w.dispose();
});

test('time is that of what is kept', async () => {
  const dropped = await tf.time(() => tf.dispose(tf.matMul(x(), x())));
  expect(dropped.kernelMs).toBe(0);
  const kept = await tf.time(() => tf.matMul(x(), x()));
  expect(kept.kernelMs).toBeGreaterThan(0);
  expect(tf.memory().unreliable).toBe(true);
});

test('arrays are not copied', async () => {
  const array = Float32Array.of(1, 2);
  const y = tf.square(tf.tensor1d(array));
  array[0] = 10;
  expect(Array.from(await y.data())).toEqual([100, 4]);
});

test('but for those that threads share', async () => {
  const compute = async (array: tf.TypedArray) => {
    const y = tf.add(tf.tensor1d(array), tf.tensor1d(array));
    return Array.from(await y.data());
  };
  const shared = () => new SharedArrayBuffer(8);
  const [floats, integers] = [new Float32Array(shared()), new Int32Array(shared(), 4)];
  [floats[1], integers[0]] = [1.5, 7];
  expect(await compute(floats)).toEqual([0, 3]);
  expect(await compute(integers)).toEqual([14]);
});

test('values do not go to a GPU', () => {
  expect(() => x().dataToGPU()).toThrow(/^onnxruntime: values live in main memory/);
});
