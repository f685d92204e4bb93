import { afterAll, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import { AdamW } from '../../src/training/optimizer.js';
import { expectClose } from '../backends.js';

// Where onnxruntime-node could not be installed the backend runs on ONNX Runtime's WebAssembly build.
process.env['BERTRESNET_ONNXRUNTIME'] = 'wasm';

afterAll(() => {
  delete process.env['BERTRESNET_ONNXRUNTIME'];
});

async function train(): Promise<number[]> {
  const values = (shape: number[], seed: number) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tf.tensor(
      Float32Array.from({ length: size }, (_, i) => Math.sin(seed + i)),
      shape,
    );
  };
  const x = values([2, 5, 5, 3], 1) as tf.Tensor4D;
  const filter = tf.variable(values([3, 3, 3, 4], 2)) as tf.Variable;
  const table = tf.variable(values([7, 4], 3)) as tf.Variable;
  const optimizer = new AdamW({ learningRate: 0.01 });
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    const loss = optimizer.minimize(
      () => {
        const features = tf.mean(tf.relu(tf.conv2d(x, filter as never, 2, 1)), [1, 2]);
        const words = tf.gather(table, tf.tensor1d([3, 3], 'int32'));
        return tf.mean(tf.square(tf.add(features, words))) as tf.Scalar;
      },
      true,
      [filter, table],
    )!;
    losses.push((await loss.data())[0]!);
    loss.dispose();
  }
  optimizer.dispose();
  tf.dispose([x, filter, table]);
  return losses;
}

test('trains on the WebAssembly build with equal numbers, and says how to get the fast one', async () => {
  const advice: string[] = [];
  const options = { threads: 1, onAdvice: (text: string) => void advice.push(text) };
  expect(await useBackend('onnxruntime', options)).toBe('onnxruntime');
  expect(advice).toHaveLength(1);
  expect(advice[0]).toMatch(/onnxruntime-node is not installed.*npm install onnxruntime-node/);
  const actual = await train();
  await useBackend('cpu');
  const expected = await train();
  expectClose(actual, expected, { relative: 1e-5 });
  expect(actual[3]).toBeLessThan(actual[0]!);
});

test('casts what no integer is as typed arrays do', async () => {
  await useBackend('onnxruntime');
  const numbers = Float32Array.of(NaN, Infinity, -Infinity, 1e20, -1e20, 3e9, -2.5, 2 ** 62, 7);
  const y = tf.tidy(() => tf.cast(tf.tensor1d(numbers), 'int32'));
  expect(Array.from(await y.data())).toEqual(Array.from(Int32Array.from(numbers)));
  const quotients = tf.tidy(() =>
    tf.floorDiv(tf.tensor1d([5, 0, -3, -7], 'int32'), tf.tensor1d([0, 0, 0, 2], 'int32')),
  );
  expect(Array.from(await quotients.data())).toEqual([0, 0, 0, -4]);
  tf.dispose([y, quotients]);
});

test('a kernel whose result has a shape that numbers decide says what to await', async () => {
  await useBackend('onnxruntime');
  const x = tf.square(tf.tensor1d([1, 2, -1]));
  expect(() => tf.unique(x)).toThrow(
    /^onnxruntime: the kernel Unique runs on values that are there, await data\(\) of its inputs first: /,
  );
  await x.data();
  const { values, indices } = tf.unique(x);
  expect(Array.from(await values.data())).toEqual([1, 4]);
  const places = tf.searchSorted(values as tf.Tensor1D, tf.square(x) as tf.Tensor1D);
  expect(Array.from(await places.data())).toEqual([0, 2, 0]);
  tf.dispose([x, values, indices, places]);
});
