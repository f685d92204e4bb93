import { forEachColumn, forEachRow } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

const forward = forEachRow({
  name: 'LayerNorm',
  inputs: ['x', 'gamma', 'beta'],
  outputs: { y: 'f32', means: 'f32', inverses: 'f32' },
  numbers: { epsilon: 'f32' },
  code: `
  var sum = 0.0;
  for (var i = lane; i < width; i += LANES) { sum += x[first + i]; }
  let mean = total(sum, lane) / f32(width);
  var squares = 0.0;
  for (var i = lane; i < width; i += LANES) {
    let centred = x[first + i] - mean;
    squares += centred * centred;
  }
  let inverse = inverseSqrt(total(squares, lane) / f32(width) + numbers.epsilon);
  for (var i = lane; i < width; i += LANES) {
    y[first + i] = (x[first + i] - mean) * inverse * gamma[i] + beta[i];
  }
  if (lane == 0u) {
    means[work] = mean;
    inverses[work] = inverse;
  }`,
});

/** x [..., features]: the normalised value, and the mean and 1 / deviation that the gradient needs. */
const LayerNorm: Kernel<{ epsilon: number }> = ({ x, gamma, beta }, { epsilon }, backend) => {
  const { shape } = x!;
  const statistics = floats([...shape.slice(0, -1), 1]);
  return forward(backend, {
    inputs: [x!, gamma!, beta!],
    outputs: [floats(shape), statistics, statistics],
    numbers: [epsilon],
  });
};

const inputGradient = forEachRow({
  name: 'LayerNormGrad dx',
  inputs: ['dy', 'x', 'gamma', 'means', 'inverses'],
  outputs: { dx: 'f32' },
  code: `
  let mean = means[work];
  let inverse = inverses[work];
  var sum = 0.0;
  var along = 0.0;
  for (var i = lane; i < width; i += LANES) {
    let scaled = dy[first + i] * gamma[i];
    sum += scaled;
    along += scaled * (x[first + i] - mean) * inverse;
  }
  let meanScaled = total(sum, lane) / f32(width);
  let meanAlong = total(along, lane) / f32(width);
  for (var i = lane; i < width; i += LANES) {
    let normalised = (x[first + i] - mean) * inverse;
    dx[first + i] = (dy[first + i] * gamma[i] - meanScaled - normalised * meanAlong) * inverse;
  }`,
});

const parameterGradients = forEachColumn({
  name: 'LayerNormGrad parameters',
  inputs: ['dy', 'x', 'means', 'inverses'],
  outputs: { dGamma: 'f32', dBeta: 'f32' },
  type: 'vec2<f32>',
  start: 'vec2<f32>()',
  step: 'sum += dy[i] * vec2<f32>((x[i] - means[row]) * inverses[row], 1.0);',
  combine: 'a + b',
  write: 'dGamma[at] = sum.x; dBeta[at] = sum.y;',
});

/** The gradients of x, gamma and beta. */
const LayerNormGrad: Kernel = ({ dy, x, gamma, mean, inverseDeviation }, _, backend) => {
  const [dx] = inputGradient(backend, {
    inputs: [dy!, x!, gamma!, mean!, inverseDeviation!],
    outputs: [floats(x!.shape)],
  });
  const [dGamma, dBeta] = parameterGradients(backend, {
    inputs: [dy!, x!, mean!, inverseDeviation!],
    outputs: () => [floats(gamma!.shape), floats(gamma!.shape)],
    whole: true,
  });
  return [dx!, dGamma!, dBeta!];
};

/** Kernels of this library's own layer normalisation (src/nn/norm.ts). */
export const layerNormKernels: KernelTable = { LayerNorm, LayerNormGrad };
