import * as tf from '@tensorflow/tfjs-core';
import type { BackendName, BackendOptions } from '../../../src/backends/select.js';
import { useBackend } from '../../../src/backends/select.js';
import { webGpuKernels } from '../../../src/backends/webgpu/index.js';
import { gelu, relu } from '../../../src/nn/activations.js';
import { additiveMask, attention, headsAttention } from '../../../src/nn/attention.js';
import { Conv2d } from '../../../src/nn/conv.js';
import { DropoutSource, dropout, dropoutMask } from '../../../src/nn/dropout.js';
import { dense } from '../../../src/nn/linear.js';
import { BatchNorm2d, LayerNorm, batchNorm, layerNorm } from '../../../src/nn/norm.js';
import type { Module } from '../../../src/nn/module.js';
import { Random } from '../../../src/nn/random.js';
import { clipScale, globalNorm } from '../../../src/training/clip.js';
import { AdamW } from '../../../src/training/optimizer.js';

/** Results by name; each is read and disposed of. */
type Results = Record<string, tf.Tensor>;

function random(key: string, shape: number[], mean = 0, deviation = 1): tf.Tensor {
  const numbers = new Random(5, key);
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, () => numbers.normal(mean, deviation)),
    shape,
  );
}

/** A function's value and the gradients of its inputs, from a random gradient of the value. */
function withGradients(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: Record<string, tf.Tensor>,
): Results {
  const given = Object.values(inputs);
  const value = f(...given);
  const gradients = tf.grads(f)(given, random('dy', value.shape));
  const named = Object.keys(inputs).map((name, i) => [`d ${name}`, gradients[i]!] as const);
  return { value, ...Object.fromEntries(named) };
}

const layerNormOf =
  (...shape: number[]) =>
  (): Results =>
    withGradients((x, gamma, beta) => layerNorm(x, gamma as never, beta as never, 1e-12), {
      x: random('x', shape, 3, 2),
      gamma: random('gamma', shape.slice(-1), 1, 0.3),
      beta: random('beta', shape.slice(-1)),
    });

/** As `withGradients`, with those of a module's parameters, which are random; the module is disposed of. */
function ofModule<M extends Module>(
  module: M,
  f: (module: M, ...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: Record<string, tf.Tensor>,
): Results {
  const parameters = [...module.namedParameters()];
  for (const [name, parameter] of parameters) parameter.assign(random(name, parameter.shape, 0.5));
  const results = withGradients((...given) => f(module, ...given), inputs);
  const { grads } = tf.variableGrads(
    () =>
      tf.sum(tf.mul(f(module, ...Object.values(inputs)), random('dy', results['value']!.shape))),
    parameters.map(([, parameter]) => parameter),
  );
  const named = parameters.map(
    ([name, parameter]) => [`d ${name}`, grads[parameter.name]!] as const,
  );
  module.dispose();
  return { ...results, ...Object.fromEntries(named) };
}

const residualNormOf = (shape: number[], rate: number) => (): Results => {
  const context = () => ({ training: true, random: new DropoutSource(3, 7) });
  return ofModule(
    new LayerNorm(shape.at(-1)!, 1e-12),
    (norm, x, residual) => norm.forwardResidual(x!, residual!, rate, context()),
    { x: random('x', shape, 3, 2), residual: random('residual', shape, -1) },
  );
};

/** relu(norm(x) + shortcut) with the statistics of x, or with running ones. */
const reluNormOf =
  (shape: number[], { added = false, training = true } = {}) =>
  (): Results =>
    ofModule(
      new BatchNorm2d(shape.at(-1)!),
      (norm, x, shortcut) => norm.forwardRelu(x as never, { training }, shortcut as never),
      { x: random('x', shape, 3, 2), ...(added && { shortcut: random('shortcut', shape) }) },
    );

const convolutionOf = (shape: number[], out: number) => (): Results =>
  ofModule(
    new Conv2d(shape.at(-1)!, out, { kernel: 1 }),
    (convolution, x) => convolution.forward(x as tf.Tensor4D),
    { x: random('x', shape) },
  );

/** The norm of many tensors, and what they are to be scaled by. */
const globalNormOf =
  (...shapes: number[][]) =>
  (): Results => {
    const norm = globalNorm(shapes.map((shape, i) => random(`gradient ${i}`, shape, 0.2)));
    return { norm, scale: clipScale(norm, 1) };
  };

const batchNormOf =
  (...shape: number[]) =>
  (): Results => {
    const observed: Results = {};
    const observe = (mean: tf.Tensor, variance: tf.Tensor): void => {
      tf.dispose(observed);
      observed['mean'] = tf.keep(tf.clone(mean));
      observed['variance'] = tf.keep(tf.clone(variance));
    };
    const results = withGradients(
      (x, gamma, beta) => batchNorm(x as tf.Tensor4D, gamma as never, beta as never, 1e-5, observe),
      {
        x: random('x', shape, 100, 2), // far from zero: squares of x would cancel
        gamma: random('gamma', shape.slice(-1), 1, 0.3),
        beta: random('beta', shape.slice(-1)),
      },
    );
    return { ...results, ...observed };
  };

/** A module's statistics after two batches, and what it makes of a third in evaluation, with gradients. */
function batchNormModule(): Results {
  const module = new BatchNorm2d(5);
  for (const key of ['first', 'second']) {
    tf.tidy(
      () => void module.forward(random(key, [2, 3, 3, 5], 1, 2) as never, { training: true }),
    );
  }
  const results = withGradients((x) => module.forward(x as tf.Tensor4D, { training: false }), {
    x: random('x', [2, 3, 3, 5]),
  });
  const statistics = {
    mean: tf.clone(module.runningMean),
    variance: tf.clone(module.runningVariance),
  };
  module.dispose();
  return { ...results, ...statistics };
}

const attentionOf =
  (shape: [number, number, number, number], { masked = false, rate = 0 } = {}) =>
  (): Results => {
    const [batch, heads, length] = shape;
    const lengths = Array.from({ length: batch }, (_, i) => Math.max(1, length - 3 * i));
    const kept = lengths.map((count) => Array.from({ length }, (_, at) => Number(at < count)));
    const mask = masked ? additiveMask(tf.tensor2d(kept, [batch, length], 'int32')) : undefined;
    const context = { training: true, random: new DropoutSource(1, 2) };
    const factors = dropoutMask([batch, heads, length, length], rate, context);
    return withGradients(
      (q, k, v) => attention(q as never, k as never, v as never, { mask, dropout: factors }),
      { q: random('q', shape), k: random('k', shape), v: random('v', shape) },
    );
  };

/** Of several heads, with the keys and values of another sequence. */
const headsOf =
  (
    shape: [number, number, number],
    keys: number,
    heads: number,
    { masked = false, rate = 0 } = {},
  ) =>
  (): Results => {
    const [batch, , width] = shape;
    const kept = Array.from({ length: batch }, (_, i) =>
      Array.from({ length: keys }, (_, at) => Number(at < Math.max(1, keys - 3 * i))),
    );
    const mask = masked ? additiveMask(tf.tensor2d(kept, [batch, keys], 'int32')) : undefined;
    const context = () => ({ training: true, random: new DropoutSource(1, 2) });
    return withGradients(
      (q, k, v) =>
        headsAttention(q as never, k as never, v as never, { heads, mask, rate }, context()),
      {
        q: random('q', shape),
        k: random('k', [batch, keys, width]),
        v: random('v', [batch, keys, width]),
      },
    );
  };

const adamW =
  (scale?: number, weightDecay = 0.1) =>
  (): Results => {
    const variable = tf.variable(random('variable', [7, 19]), true, undefined);
    const optimizer = new AdamW({ learningRate: 0.01, weightDecay });
    for (let step = 0; step < 3; step++) {
      tf.tidy(() => {
        const gradients = [{ name: variable.name, tensor: random(`gradient ${step}`, [7, 19]) }];
        optimizer.applyScaledGradients(
          gradients,
          scale === undefined ? undefined : tf.scalar(scale),
        );
      });
    }
    const { expAvg, expAvgSq } = optimizer.state().get(variable.name)!;
    const results = {
      variable: tf.clone(variable),
      expAvg: tf.clone(expAvg),
      expAvgSq: tf.clone(expAvgSq),
    };
    optimizer.dispose();
    variable.dispose();
    return results;
  };

const wide = (f: (x: tf.Tensor) => tf.Tensor) => (): Results =>
  withGradients(f, { x: random('x', [3, 5, 77], 0, 3) });

/** What is compared between backends, by name. */
export const operators: Readonly<Record<string, () => Results>> = {
  'LayerNorm of few features': layerNormOf(3, 4, 5),
  'LayerNorm of many features': layerNormOf(37, 200),
  'LayerNorm of a sum': residualNormOf([3, 4, 5], 0),
  'LayerNorm of a sum with dropout': residualNormOf([7, 11, 130], 0.3),
  'the norm of one gradient': globalNormOf([3]),
  'the norm of many gradients': globalNormOf(
    ...[[1], [], [7, 5], [64, 129], [3, 3, 2, 5], [1000], [2], [130, 130], [9]],
  ),
  'BatchNorm with ReLU': reluNormOf([2, 5, 3, 7]),
  'BatchNorm with a shortcut and ReLU': reluNormOf([2, 33, 17, 5], { added: true }),
  'BatchNorm with a shortcut and ReLU, in evaluation': reluNormOf([2, 3, 3, 5], {
    added: true,
    training: false,
  }),
  'BatchNorm with ReLU, in evaluation': reluNormOf([2, 3, 3, 5], { training: false }),
  'a convolution of width 1': convolutionOf([2, 5, 3, 7], 11),
  'BatchNorm of one block': batchNormOf(2, 3, 5, 3),
  'BatchNorm of many blocks and channels': batchNormOf(2, 33, 17, 19),
  'BatchNorm2d, its statistics, and evaluation': batchNormModule,
  'GELU, exact': wide((x) => gelu(x, 'none')),
  'GELU by tanh': wide((x) => gelu(x, 'tanh')),
  'a linear layer': () =>
    withGradients((x, w, b) => dense(x as never, w as never, b as never), {
      x: random('x', [9, 21]),
      w: random('w', [18, 21]),
      b: random('b', [18]),
    }),
  ReLU: wide((x) => relu(x)),
  attention: attentionOf([2, 3, 5, 4]),
  'attention, masked': attentionOf([2, 1, 70, 4], { masked: true }),
  'attention, masked, with dropout': attentionOf([3, 2, 11, 4], { masked: true, rate: 0.3 }),
  'attention with dropout': attentionOf([2, 2, 6, 4], { rate: 0.3 }),
  'attention of heads': headsOf([2, 5, 12], 5, 3),
  'attention of heads, masked, to more keys than lanes': headsOf([3, 7, 6], 70, 2, {
    masked: true,
  }),
  'attention of heads, masked, with dropout': headsOf([2, 9, 140], 11, 2, {
    masked: true,
    rate: 0.3,
  }),
  'attention of heads with dropout, of one query': headsOf([3, 1, 8], 6, 4, { rate: 0.3 }),
  'attention of heads to many keys': headsOf([1, 2, 4], 300, 2, { rate: 0.3 }),
  AdamW: adamW(),
  'AdamW, clipped': adamW(0.25),
  'AdamW without decay': adamW(undefined, 0),
  'a dropout mask': () => ({
    value: dropout(tf.ones([33, 65]), 0.4, { training: true, random: new DropoutSource(9, 4) }),
  }),
};

const poolOf =
  (shape: number[], size: number, strides: number, pad: number | 'same', mode?: 'ceil') =>
  (): Results => {
    const pool = (x: tf.Tensor): tf.Tensor =>
      tf.maxPool(x as tf.Tensor4D, size, strides, pad, mode);
    return withGradients(pool, { x: tf.relu(random('x', shape)) }); // windows of zeros alone among them
  };

/** Pools by name, of which ONNX Runtime on a graphics card finds the gradient in a way of its own. */
export const pools: Readonly<Record<string, () => Results>> = {
  'the pool of a ResNet': poolOf([2, 13, 10, 5], 3, 2, 1),
  'a pool of halves': poolOf([3, 6, 7, 2], 2, 2, 0),
  'a pool of overlapping windows': poolOf([1, 5, 4, 3], 3, 1, 'same'),
  'a pool rounded up': poolOf([2, 8, 7, 2], 3, 2, 0, 'ceil'),
};

/** What an operator came to, and the number of tensors that it left behind. */
export interface Computed {
  readonly results: Record<string, number[]>;
  readonly left: number;
}

export async function compute(
  backend: BackendName,
  operator: string,
  options?: BackendOptions,
): Promise<Computed> {
  await useBackend(backend, options);
  if (backend === 'webgpu') watchKernels();
  const before = tf.memory().numTensors;
  const tensors = tf.tidy(() => (operators[operator] ?? pools[operator])!());
  const results: Record<string, number[]> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    results[name] = [...(await tensor.data())];
    tensor.dispose();
  }
  return { results, left: tf.memory().numTensors - before };
}

const called = new Set<string>();
const watched = new Set<string>();

/** Notes which of this library's kernels run. */
function watchKernels(): void {
  for (const name of Object.keys(webGpuKernels)) {
    const kernel = tf.getKernel(name, 'webgpu');
    if (watched.has(name) || kernel === undefined) continue;
    watched.add(name);
    const { kernelFunc } = kernel;
    kernel.kernelFunc = (given) => {
      called.add(name);
      return kernelFunc(given);
    };
  }
}

/** The kernels of this library for `webgpu` that have run. */
export const calledKernels = (): string[] => [...called];
