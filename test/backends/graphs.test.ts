import { afterAll, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { useBackend } from '../../src/backends/select.js';
import { Random } from '../../src/nn/random.js';
import { expectClose } from '../backends.js';

/** One step of a random computation over a list of pictures [2, 3, 4, 3], all of which stay in range. */
type Operation = readonly [name: keyof typeof operations, a: number, b: number];

const filter = (kind: string, shape: [number, number, number, number]) => {
  const random = new Random(kind, ...shape);
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => random.uniform(-0.3, 0.3)),
    shape,
  ) as tf.Tensor4D;
};

const operations = {
  add: (a: tf.Tensor4D, b: tf.Tensor4D) => tf.mul(tf.add(a, b), 0.5),
  multiply: (a: tf.Tensor4D, b: tf.Tensor4D) => tf.mul(tf.tanh(a), b),
  bias: (a: tf.Tensor4D) => tf.add(a, tf.tensor1d([0.1, -0.2, 0.3])),
  relu: (a: tf.Tensor4D) => tf.relu(a),
  centre: (a: tf.Tensor4D) => tf.sub(a, tf.mean(a, [0, 1, 2])),
  centreRows: (a: tf.Tensor4D) => tf.sub(a, tf.mean(a, [1], true)),
  convolve: (a: tf.Tensor4D) => tf.conv2d(a, filter('conv', [3, 3, 3, 3]), 1, 'same'),
  convolveTurned: (a: tf.Tensor4D) =>
    tf.conv2d(
      a,
      tf.transpose(filter('turned', [3, 3, 3, 3]), [2, 3, 1, 0]) as tf.Tensor4D,
      1,
      'same',
    ),
  pointwise: (a: tf.Tensor4D) => tf.conv2d(a, filter('point', [1, 1, 3, 3]), 1, 'valid'),
  turnTwice: (a: tf.Tensor4D) =>
    tf.transpose(tf.sigmoid(tf.transpose(a, [0, 3, 2, 1])), [0, 3, 2, 1]),
  turnBroadcast: (a: tf.Tensor4D) =>
    tf.transpose(
      tf.add(tf.transpose(a, [0, 3, 1, 2]), tf.tensor([[[0.5]], [[-0.5]], [[0.25]]])),
      [0, 2, 3, 1],
    ),
  softmax: (a: tf.Tensor4D) => tf.softmax(a),
  flatten: (a: tf.Tensor4D) => tf.reshape(tf.mul(tf.reshape(a, [6, -1]), 1.5), [2, 3, 4, 3]),
  sliceAndPad: (a: tf.Tensor4D) =>
    tf.pad(tf.slice(a, [0, 1, 0, 0], [2, 2, 3, 3]), [
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 0],
    ]),
  pool: (a: tf.Tensor4D) => tf.maxPool(a, 3, 1, 'same'),
} as const;

const program = fc.array(
  fc.tuple(
    fc.constantFrom(...(Object.keys(operations) as (keyof typeof operations)[])),
    fc.nat(20),
    fc.nat(20),
  ),
  { minLength: 1, maxLength: 12 },
);

function run(steps: readonly Operation[], x: tf.Tensor4D): tf.Tensor4D[] {
  const values = [x];
  for (const [name, a, b] of steps) {
    const [p, q] = [values[a % values.length]!, values[b % values.length]!];
    values.push(operations[name](p, q) as tf.Tensor4D);
  }
  return values;
}

/** The last value, another one read in between where `peek` says so, and the gradient of their sum. */
async function outcome(backend: 'cpu' | 'onnxruntime', steps: readonly Operation[], peek: number) {
  await useBackend(backend);
  const x = filter('input', [2, 3, 4, 3]);
  const values = run(steps, x);
  const peeked = values[peek % values.length]!;
  const reading = peeked.data();
  const last = values.at(-1)!;
  const weighed = tf.tidy(() => tf.sum(tf.mul(last, peeked)));
  const outputs = [
    Array.from(await last.data()),
    Array.from(await reading),
    Array.from(await weighed.data()),
  ];
  const gradient = tf.tidy(() =>
    tf.grad((input) => {
      const made = run(steps, input as tf.Tensor4D);
      return tf.sum(tf.mul(made.at(-1)!, tf.add(made[peek % made.length]!, 1)));
    })(x),
  );
  outputs.push(Array.from(await gradient.data()));
  tf.dispose([...values, weighed, gradient]);
  return outputs;
}

afterAll(() => useBackend('cpu'));

test('a graph compiled at once equals the same kernels one by one, forward and gradient', async () => {
  await fc.assert(
    fc.asyncProperty(program, fc.nat(20), async (steps, peek) => {
      const expected = await outcome('cpu', steps, peek);
      const actual = await outcome('onnxruntime', steps, peek);
      expected.forEach((values, i) =>
        expectClose(actual[i]!, values, { relative: 2e-5, absolute: 1e-5 }),
      );
    }),
    { numRuns: 80, seed: 7 },
  );
}, 120_000);
