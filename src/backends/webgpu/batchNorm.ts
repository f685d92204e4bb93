import { forEachColumn, forEachElement } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

// Three dispatches each way: what a block of rows has of each channel, all blocks of a channel together, every element.

/** How many values, their mean, and the sum of the squares around it, of two parts together (Chan et al. 1979). */
const merge = `
fn merge(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
  let count = a.x + b.x;
  if (count == 0.0) { return a; }
  let apart = b.y - a.y;
  return vec3<f32>(count, a.y + apart * b.x / count, a.z + b.z + apart * apart * a.x * b.x / count);
}`;

const blockStatistics = forEachColumn({
  name: 'BatchNorm blocks',
  inputs: ['x'],
  outputs: { parts: 'f32' },
  declarations: merge,
  type: 'vec3<f32>',
  start: 'vec3<f32>()',
  step: 'sum = merge(sum, vec3<f32>(1.0, x[i], 0.0));',
  combine: 'merge(a, b)',
  write: 'parts[at * 3u] = sum.x; parts[at * 3u + 1u] = sum.y; parts[at * 3u + 2u] = sum.z;',
});

const statistics = forEachElement({
  name: 'BatchNorm statistics',
  inputs: ['parts'],
  outputs: { means: 'f32', variances: 'f32', inverses: 'f32' },
  numbers: { blocks: 'u32', epsilon: 'f32' },
  declarations: merge,
  code: `
  var sum = vec3<f32>();
  for (var block = 0u; block < numbers.blocks; block++) {
    let at = (block * numbers.size + i) * 3u;
    sum = merge(sum, vec3<f32>(parts[at], parts[at + 1u], parts[at + 2u]));
  }
  means[i] = sum.y;
  variances[i] = sum.z / sum.x;
  inverses[i] = inverseSqrt(sum.z / sum.x + numbers.epsilon);`,
});

const normalised = forEachElement({
  name: 'BatchNorm',
  inputs: ['x', 'gamma', 'beta', 'means', 'inverses'],
  outputs: { y: 'f32', centred: 'f32' },
  numbers: { channels: 'u32' },
  code: `
  let channel = i % numbers.channels;
  let apart = x[i] - means[channel];
  centred[i] = apart;
  y[i] = apart * (inverses[channel] * gamma[channel]) + beta[channel];`,
});

/**
 * Normalises x [batch, height, width, channels] by its own statistics: the result, x less its mean, and per channel
 * the mean, the biased variance and 1 / deviation.
 */
const BatchNorm: Kernel<{ epsilon: number }> = ({ x, gamma, beta }, { epsilon }, backend) => {
  const each = floats(gamma!.shape);
  const [parts] = blockStatistics(backend, {
    inputs: [x!],
    outputs: (blocks, channels) => [floats([blocks, channels, 3])],
  });
  const [mean, variance, inverse] = statistics(backend, {
    inputs: [parts!],
    outputs: [each, each, each],
    numbers: [parts!.shape[0]!, epsilon],
  });
  backend.disposeData(parts!.dataId);
  const [y, centred] = normalised(backend, {
    inputs: [x!, gamma!, beta!, mean!, inverse!],
    outputs: [floats(x!.shape), floats(x!.shape)],
    numbers: gamma!.shape,
  });
  return [y!, centred!, mean!, variance!, inverse!];
};

const blockSums = forEachColumn({
  name: 'BatchNormGrad blocks',
  inputs: ['dy', 'centred'],
  outputs: { parts: 'f32' },
  type: 'vec2<f32>',
  start: 'vec2<f32>()',
  step: 'sum += dy[i] * vec2<f32>(1.0, centred[i]);',
  combine: 'a + b',
  write: 'parts[at * 2u] = sum.x; parts[at * 2u + 1u] = sum.y;',
});

const parameterGradients = forEachElement({
  name: 'BatchNormGrad parameters',
  inputs: ['parts', 'inverses'],
  outputs: { dGamma: 'f32', dBeta: 'f32' },
  numbers: { blocks: 'u32' },
  code: `
  var sum = vec2<f32>();
  for (var block = 0u; block < numbers.blocks; block++) {
    let at = (block * numbers.size + i) * 2u;
    sum += vec2<f32>(parts[at], parts[at + 1u]);
  }
  dBeta[i] = sum.x;
  dGamma[i] = sum.y * inverses[i];`,
});

// dx = s (dy - mean(dy) - xhat mean(dy xhat)) with s = gamma / deviation.
const inputGradient = forEachElement({
  name: 'BatchNormGrad dx',
  inputs: ['dy', 'centred', 'gamma', 'inverses', 'dGamma', 'dBeta'],
  outputs: { dx: 'f32' },
  numbers: { channels: 'u32', share: 'f32' },
  code: `
  let channel = i % numbers.channels;
  let inverse = inverses[channel];
  let along = centred[i] * inverse * dGamma[channel];
  dx[i] = gamma[channel] * inverse * (dy[i] - (dBeta[channel] + along) * numbers.share);`,
});

/** The gradients of x, gamma and beta. */
const BatchNormGrad: Kernel = ({ dy, centred, gamma, inverseDeviation }, _, backend) => {
  const { shape } = centred!;
  const channels = shape.at(-1)!;
  const [parts] = blockSums(backend, {
    inputs: [dy!, centred!],
    outputs: (blocks) => [floats([blocks, channels, 2])],
  });
  const [dGamma, dBeta] = parameterGradients(backend, {
    inputs: [parts!, inverseDeviation!],
    outputs: [floats(gamma!.shape), floats(gamma!.shape)],
    numbers: [parts!.shape[0]!],
  });
  backend.disposeData(parts!.dataId);
  const [dx] = inputGradient(backend, {
    inputs: [dy!, centred!, gamma!, inverseDeviation!, dGamma!, dBeta!],
    outputs: [floats(shape)],
    numbers: [channels, channels / shape.reduce((size, length) => size * length, 1)],
  });
  return [dx!, dGamma!, dBeta!];
};

const inference = forEachElement({
  name: 'BatchNormInference',
  inputs: ['x', 'weight', 'bias', 'mean', 'variance'],
  outputs: { y: 'f32' },
  numbers: { channels: 'u32', epsilon: 'f32' },
  code: `
  let channel = i % numbers.channels;
  let scale = weight[channel] * inverseSqrt(variance[channel] + numbers.epsilon);
  y[i] = x[i] * scale + (bias[channel] - mean[channel] * scale);`,
});

/** With the running statistics. */
const BatchNormInference: Kernel<{ epsilon: number }> = (
  { x, weight, bias, mean, variance },
  { epsilon },
  backend,
) =>
  inference(backend, {
    inputs: [x!, weight!, bias!, mean!, variance!],
    outputs: [floats(x!.shape)],
    numbers: [x!.shape.at(-1)!, epsilon],
  });

const moving = forEachElement({
  name: 'MovingAverage',
  inputs: ['running', 'observed'],
  outputs: { moved: 'f32' },
  numbers: { momentum: 'f32', factor: 'f32' },
  code: `
  let observation = observed[i] * numbers.factor;
  moved[i] = running[i] * (1.0 - numbers.momentum) + observation * numbers.momentum;`,
});

/** running (1 - momentum) + observed factor momentum. */
const MovingAverage: Kernel<{ momentum: number; factor: number }> = (
  { running, observed },
  { momentum, factor },
  backend,
) =>
  moving(backend, {
    inputs: [running!, observed!],
    outputs: [floats(running!.shape)],
    numbers: [momentum, factor],
  });

/** Kernels of this library's own batch normalisation (src/nn/norm.ts). */
export const batchNormKernels: KernelTable = {
  BatchNorm,
  BatchNormGrad,
  BatchNormInference,
  MovingAverage,
};
