import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from './backend.js';
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

/** What becomes of the normalised value: nothing more, the ReLU of it, or that of its sum with a shortcut. */
type Ending = '' | ' ReLU' | ' shortcut ReLU';

const endings: Readonly<Record<Ending, string>> = {
  '': 'value',
  ' ReLU': 'max(value, 0.0)',
  ' shortcut ReLU': 'max(value + shortcut[i], 0.0)',
};

const byEnding = <T>(make: (ending: Ending) => T): Readonly<Record<Ending, T>> => ({
  '': make(''),
  ' ReLU': make(' ReLU'),
  ' shortcut ReLU': make(' shortcut ReLU'),
});

const shortcutOf = (ending: Ending): string[] => (ending === ' shortcut ReLU' ? ['shortcut'] : []);

const withRelu = ({ shortcut }: Readonly<Record<string, TensorInfo>>): Ending =>
  shortcut === undefined ? ' ReLU' : ' shortcut ReLU';

const normalised = byEnding((ending) =>
  forEachElement({
    name: `BatchNorm${ending}`,
    inputs: ['x', 'gamma', 'beta', 'means', 'inverses', ...shortcutOf(ending)],
    outputs: { y: 'f32', centred: 'f32' },
    numbers: { channels: 'u32' },
    code: `
  let channel = i % numbers.channels;
  let apart = x[i] - means[channel];
  centred[i] = apart;
  let value = apart * (inverses[channel] * gamma[channel]) + beta[channel];
  y[i] = ${endings[ending]};`,
  }),
);

interface Attributes {
  readonly epsilon: number;
}

/**
 * Normalises x [batch, height, width, channels] by its own statistics: the result, x less its mean, and per channel
 * the mean, the biased variance and 1 / deviation.
 */
const BatchNorm: Kernel<Attributes> = (inputs, attributes, backend) =>
  normalise(inputs, attributes, backend, '');

/** The same, the result being the ReLU of the normalised value, to which a shortcut is added where one is given. */
const BatchNormRelu: Kernel<Attributes> = (inputs, attributes, backend) =>
  normalise(inputs, attributes, backend, withRelu(inputs));

function normalise(
  { x, gamma, beta, shortcut }: Readonly<Record<string, TensorInfo>>,
  { epsilon }: Attributes,
  backend: WebGpuBackend,
  ending: Ending,
): TensorInfo[] {
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
  const [y, centred] = normalised[ending](backend, {
    inputs: [x!, gamma!, beta!, mean!, inverse!, ...(shortcut ? [shortcut] : [])],
    outputs: [floats(x!.shape), floats(x!.shape)],
    numbers: gamma!.shape,
  });
  return [y!, centred!, mean!, variance!, inverse!];
}

/** A shader of the backward pass, and its twin, in which a ReLU stands between: it made y. */
const eitherWay = <T>(make: (relu: boolean) => T): { plain: T; relu: T } => ({
  plain: make(false),
  relu: make(true),
});

/** The gradient of the normalised value at i. */
const slopeAt = (relu: boolean): string => (relu ? 'select(0.0, dy[i], y[i] > 0.0)' : 'dy[i]');

const blockSums = eitherWay((relu) =>
  forEachColumn({
    name: `BatchNormGrad${relu ? ' ReLU' : ''} blocks`,
    inputs: ['dy', 'centred', ...(relu ? ['y'] : [])],
    outputs: { parts: 'f32' },
    type: 'vec2<f32>',
    start: 'vec2<f32>()',
    step: `sum += ${slopeAt(relu)} * vec2<f32>(1.0, centred[i]);`,
    combine: 'a + b',
    write: 'parts[at * 2u] = sum.x; parts[at * 2u + 1u] = sum.y;',
  }),
);

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
const inputGradient = eitherWay((relu) =>
  forEachElement({
    name: `BatchNormGrad${relu ? ' ReLU' : ''} dx`,
    inputs: ['dy', 'centred', 'gamma', 'inverses', 'dGamma', 'dBeta', ...(relu ? ['y'] : [])],
    outputs: { dx: 'f32' },
    numbers: { channels: 'u32', share: 'f32' },
    code: `
  let channel = i % numbers.channels;
  let inverse = inverses[channel];
  let along = centred[i] * inverse * dGamma[channel];
  dx[i] = gamma[channel] * inverse * (${slopeAt(relu)} - (dBeta[channel] + along) * numbers.share);`,
  }),
);

/** The gradients of x, gamma and beta; y is given where it is the ReLU of the normalised value. */
const BatchNormGrad: Kernel = ({ dy, centred, gamma, inverseDeviation, y }, _, backend) => {
  const { shape } = centred!;
  const channels = shape.at(-1)!;
  const way = y === undefined ? 'plain' : 'relu';
  const last = y === undefined ? [] : [y];
  const [parts] = blockSums[way](backend, {
    inputs: [dy!, centred!, ...last],
    outputs: (blocks) => [floats([blocks, channels, 2])],
  });
  const [dGamma, dBeta] = parameterGradients(backend, {
    inputs: [parts!, inverseDeviation!],
    outputs: [floats(gamma!.shape), floats(gamma!.shape)],
    numbers: [parts!.shape[0]!],
  });
  backend.disposeData(parts!.dataId);
  const [dx] = inputGradient[way](backend, {
    inputs: [dy!, centred!, gamma!, inverseDeviation!, dGamma!, dBeta!, ...last],
    outputs: [floats(shape)],
    numbers: [channels, channels / shape.reduce((size, length) => size * length, 1)],
  });
  return [dx!, dGamma!, dBeta!];
};

const inference = byEnding((ending) =>
  forEachElement({
    name: `BatchNormInference${ending}`,
    inputs: ['x', 'weight', 'bias', 'mean', 'variance', ...shortcutOf(ending)],
    outputs: { y: 'f32' },
    numbers: { channels: 'u32', epsilon: 'f32' },
    code: `
  let channel = i % numbers.channels;
  let scale = weight[channel] * inverseSqrt(variance[channel] + numbers.epsilon);
  let value = x[i] * scale + (bias[channel] - mean[channel] * scale);
  y[i] = ${endings[ending]};`,
  }),
);

const evaluate = (
  { x, weight, bias, mean, variance, shortcut }: Readonly<Record<string, TensorInfo>>,
  { epsilon }: Attributes,
  backend: WebGpuBackend,
  ending: Ending,
): TensorInfo[] =>
  inference[ending](backend, {
    inputs: [x!, weight!, bias!, mean!, variance!, ...(shortcut ? [shortcut] : [])],
    outputs: [floats(x!.shape)],
    numbers: [x!.shape.at(-1)!, epsilon],
  });

/** With the running statistics. */
const BatchNormInference: Kernel<Attributes> = (inputs, attributes, backend) =>
  evaluate(inputs, attributes, backend, '');

/** The same, ending as `BatchNormRelu`. */
const BatchNormInferenceRelu: Kernel<Attributes> = (inputs, attributes, backend) =>
  evaluate(inputs, attributes, backend, withRelu(inputs));

const moving = forEachElement({
  name: 'MovingAverages',
  inputs: ['runningMean', 'mean', 'runningVariance', 'variance'],
  outputs: { movedMean: 'f32', movedVariance: 'f32' },
  numbers: { momentum: 'f32', unbiased: 'f32' },
  code: `
  let rest = 1.0 - numbers.momentum;
  movedMean[i] = runningMean[i] * rest + mean[i] * numbers.momentum;
  movedVariance[i] = runningVariance[i] * rest + variance[i] * numbers.unbiased * numbers.momentum;`,
});

/** running (1 - momentum) + observed momentum of the mean, and of the variance times `unbiased`. */
const MovingAverages: Kernel<{ momentum: number; unbiased: number }> = (
  { runningMean, mean, runningVariance, variance },
  { momentum, unbiased },
  backend,
) =>
  moving(backend, {
    inputs: [runningMean!, mean!, runningVariance!, variance!],
    outputs: [floats(mean!.shape), floats(mean!.shape)],
    numbers: [momentum, unbiased],
  });

/** Kernels of this library's own batch normalisation (src/nn/norm.ts). */
export const batchNormKernels: KernelTable = {
  BatchNorm,
  BatchNormGrad,
  BatchNormInference,
  BatchNormInferenceRelu,
  BatchNormRelu,
  BatchNormReluGrad: BatchNormGrad,
  MovingAverages,
};
