import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { gelu, relu, silu } from '../../src/nn/activations.js';
import { additiveMask, attention } from '../../src/nn/attention.js';
import { Conv1d, Conv2d, maxPool2d } from '../../src/nn/conv.js';
import type { ForwardContext } from '../../src/nn/dropout.js';
import { Embedding } from '../../src/nn/embedding.js';
import { constant } from '../../src/nn/initializers.js';
import { dense, Linear } from '../../src/nn/linear.js';
import type { Module } from '../../src/nn/module.js';
import { BatchNorm2d, batchNorm, layerNorm } from '../../src/nn/norm.js';
import { describeBackends, take } from '../backends.js';
import { forwardTolerance, gradientTolerance, Oracle } from '../oracle.js';

const oracle = new Oracle('nn');

/** Compares an operator's output, and the gradient of sum(y * w) with respect to each named input. */
async function check(
  name: string,
  inputs: readonly string[],
  operator: (...inputs: tf.Tensor[]) => tf.Tensor,
): Promise<void> {
  const given = inputs.map((input) => oracle.tensor(`${name}.${input}`));
  const w = oracle.tensor(`${name}.w`);
  await oracle.expect(
    tf.tidy(() => operator(...given)),
    `${name}.y`,
    forwardTolerance,
  );
  const gradients = tf.grads((...x) => tf.sum(tf.mul(operator(...x), w)))(given);
  for (const [i, input] of inputs.entries()) {
    await oracle.expect(gradients[i]!, `${name}.d.${input}`, gradientTolerance);
  }
  tf.dispose([given, w]);
}

/** The same for a layer, whose parameters are named in the fixture as in the layer. */
async function checkLayer<T extends Module>(
  name: string,
  layer: T,
  forward: (layer: T, x: tf.Tensor) => tf.Tensor,
): Promise<void> {
  const parameters = layer.namedParameters();
  layer.loadStateDict(
    Object.fromEntries([...parameters.keys()].map((key) => [key, oracle.host(`${name}.${key}`)])),
    { strict: false },
  );
  const [x, w] = [oracle.tensor(`${name}.x`), oracle.tensor(`${name}.w`)];
  const { value, grads } = tf.variableGrads(
    () => tf.sum(tf.mul(forward(layer, x), w)) as tf.Scalar,
    [...parameters.values()],
  );
  value.dispose();
  for (const [key, variable] of parameters) {
    await oracle.expect(grads[variable.name]!, `${name}.d.${key}`, gradientTolerance);
  }
  await check(name, ['x'], (input) => forward(layer, input!));
  tf.dispose([x, w]);
  layer.dispose();
}

describeBackends('layers against PyTorch', () => {
  test('activations', async () => {
    await check('relu', ['x'], (x) => relu(x!));
    await check('gelu', ['x'], (x) => gelu(x!, 'none'));
    await check('gelu-tanh', ['x'], (x) => gelu(x!, 'tanh'));
    await check('silu', ['x'], (x) => silu(x!));
  });

  test('dense and Linear', async () => {
    for (const name of ['dense', 'dense-one']) {
      await check(name, ['x', 'weight', 'bias'], (x, w, b) =>
        dense(x as tf.Tensor2D, w as tf.Tensor2D, b as tf.Tensor1D),
      );
    }
    await checkLayer('dense-rows', new Linear(7, 3), (layer, x) => layer.forward(x));
  });

  test('layerNorm', async () => {
    for (const [name, epsilon] of [
      ['layer-norm', 1e-12],
      ['layer-norm-eps', 1e-5],
    ] as const) {
      await check(name, ['x', 'weight', 'bias'], (x, gamma, beta) =>
        layerNorm(x!, gamma as tf.Tensor1D, beta as tf.Tensor1D, epsilon),
      );
    }
  });

  test('batchNorm in training, where the mean is near and far', async () => {
    for (const name of ['batch-norm', 'batch-norm-far']) {
      await check(name, ['x', 'weight', 'bias'], (x, gamma, beta) =>
        batchNorm(x! as tf.Tensor4D, gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-5, () => {}),
      );
    }
  });

  test('BatchNorm2d moves its statistics in training and uses them in evaluation', async () => {
    for (const name of ['batch-norm', 'batch-norm-far']) {
      const x = oracle.tensor<tf.Tensor4D>(`${name}.x`);
      const layer = new BatchNorm2d(x.shape[3]);
      tf.tidy(() => void layer.forward(x, { training: true }));
      tf.tidy(() => void layer.forward(tf.mul(x, 3), { training: true }));
      await oracle.expect(tf.clone(layer.runningMean), `${name}.mean`, forwardTolerance);
      await oracle.expect(tf.clone(layer.runningVariance), `${name}.variance`, forwardTolerance);
      await checkLayer(`${name}-eval`, layer, (norm, y) =>
        norm.forward(y as tf.Tensor4D, { training: false }),
      );
      x.dispose();
    }
  });

  test('BatchNorm2d refuses a single value per channel in training', () => {
    const layer = new BatchNorm2d(3);
    const x = tf.zeros<tf.Rank.R4>([1, 1, 1, 3]);
    expect(() => layer.forward(x, { training: true })).toThrow(/more than 1 value per channel/);
    tf.dispose([x, tf.tidy(() => layer.forward(x, { training: false }))]);
    layer.dispose();
  });

  test('BatchNorm2d takes its running statistics for a single value where it is told to', async () => {
    const layer = new BatchNorm2d(3);
    tf.tidy(() => {
      layer.runningMean.assign(tf.tensor1d([1, -2, 0.5]));
      layer.runningVariance.assign(tf.tensor1d([4, 0.25, 1]));
    });
    const before = await take(tf.clone(layer.runningMean));
    const x = tf.tensor4d([3, -1, 2], [1, 1, 1, 3]);
    const run = (context: ForwardContext): [tf.Tensor, tf.Tensor] => {
      const { value, grad } = tf.valueAndGrad((y) =>
        tf.sum(tf.square(layer.forward(y as tf.Tensor4D, context))),
      )(x);
      return [value, grad];
    };
    const told = run({ training: true, singleValues: 'running' });
    const evaluated = run({ training: false });
    for (const [i, expected] of evaluated.entries())
      expect(await take(told[i]!)).toEqual(await take(expected));
    expect(await take(tf.clone(layer.runningMean))).toEqual(before);
    // Several values have statistics of their own.
    const rows = tf.tidy(() => tf.concat([x, tf.mul(x, 2)]) as tf.Tensor4D);
    const [own, usual] = ([{ singleValues: 'running' }, {}] as const).map((more) =>
      tf.tidy(() => layer.forward(rows, { training: true, ...more })),
    );
    expect(await take(own!)).toEqual(await take(usual!));
    tf.dispose([x, rows]);
    layer.dispose();
  });

  test('convolutions', async () => {
    const geometries = {
      conv: { kernel: 3, padding: 1 },
      'conv-stride': { kernel: 3, stride: 2, padding: 1 },
      'conv-even': { kernel: 3, stride: 2, padding: 1 },
      'conv-one': { kernel: 1, stride: 2 },
      'conv-stem': { kernel: 7, stride: 2, padding: 3 },
    };
    for (const [name, options] of Object.entries(geometries)) {
      await checkLayer(name, new Conv2d(3, 4, options), (layer, x) =>
        layer.forward(x as tf.Tensor4D),
      );
    }
    await checkLayer('conv1d', new Conv1d(3, 4), (layer, x) => layer.forward(x as tf.Tensor3D));
  });

  test('maxPool2d does not let its padding win', async () => {
    await check('max-pool', ['x'], (x) => maxPool2d(x as tf.Tensor4D, 3, 2, 1));
    await check('max-pool-one', ['x'], (x) => maxPool2d(x as tf.Tensor4D, 3, 2, 1));
  });

  test('attention with a partly and an entirely masked row', async () => {
    const mask = oracle.tensor<tf.Tensor2D>('attention.mask');
    await check('attention', ['q', 'k', 'v'], (q, k, v) =>
      attention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, { mask: additiveMask(mask) }),
    );
    mask.dispose();
  });

  test('attention drops probabilities by its mask', async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) =>
      oracle.tensor<tf.Tensor4D>(`attention.${name}`),
    );
    const dropout = tf.tensor(
      Float32Array.from({ length: 150 }, (_, i) => (i % 3) / 2),
      [3, 2, 5, 5],
    );
    const composed = (a: tf.Tensor4D, b: tf.Tensor4D, c: tf.Tensor4D): tf.Tensor => {
      const scores = tf.mul(tf.matMul(a, b, false, true), 1 / Math.sqrt(6));
      return tf.matMul(tf.mul(tf.softmax(scores), dropout), c);
    };
    const loss = (y: tf.Tensor): tf.Tensor => tf.sum(tf.mul(y, y));
    const inputs = [q!, k!, v!];
    const expected = tf.grads((a, b, c) =>
      loss(composed(a as tf.Tensor4D, b as tf.Tensor4D, c as tf.Tensor4D)),
    )(inputs);
    const actual = tf.grads((a, b, c) =>
      loss(attention(a as tf.Tensor4D, b as tf.Tensor4D, c as tf.Tensor4D, { dropout })),
    )(inputs);
    for (const [i, gradient] of actual.entries()) {
      const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(gradient, expected[i]!))));
      expect((await difference.data())[0]).toBeLessThan(1e-4);
      difference.dispose();
    }
    tf.dispose([inputs, dropout, expected, actual]);
  });

  test('embeddings of repeated and padding tokens', async () => {
    const ids = oracle.tensor<tf.Tensor2D>('embedding.ids');
    for (const name of ['embedding', 'embedding-padding']) {
      const padding = name === 'embedding' ? undefined : 0;
      const layer = new Embedding(5, 3, constant(0), {}, padding);
      layer.loadStateDict({ weight: oracle.host(`${name}.weight`) });
      const w = oracle.tensor(`${name}.w`);
      for (const forward of padding === undefined
        ? (['forward', 'select'] as const)
        : (['forward'] as const)) {
        const { value, grads } = tf.variableGrads(
          () => tf.sum(tf.mul(layer[forward](ids), w)) as tf.Scalar,
        );
        value.dispose();
        await oracle.expect(Object.values(grads)[0]!, `${name}.d.weight`, gradientTolerance);
        await oracle.expect(
          tf.tidy(() => layer[forward](ids)),
          `${name}.y`,
          forwardTolerance,
        );
      }
      w.dispose();
      layer.dispose();
    }
    ids.dispose();
  });
});
