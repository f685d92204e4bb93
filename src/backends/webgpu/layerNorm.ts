import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from './backend.js';
import { drawFactor, drawNumbers, numbersOfDraw } from './dropout.js';
import type { Draw } from './dropout.js';
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

const residualForward = forEachRow({
  name: 'ResidualNorm',
  inputs: ['x', 'residual', 'gamma', 'beta'],
  outputs: { y: 'f32', sums: 'f32', means: 'f32', inverses: 'f32' },
  numbers: { epsilon: 'f32', ...drawNumbers },
  declarations: drawFactor,
  code: `
  var sum = 0.0;
  for (var i = first + lane; i < first + width; i += LANES) {
    let value = x[i] * drawFactor(i) + residual[i];
    sums[i] = value; // each lane reads again what it wrote itself
    sum += value;
  }
  let mean = total(sum, lane) / f32(width);
  var squares = 0.0;
  for (var i = first + lane; i < first + width; i += LANES) {
    let centred = sums[i] - mean;
    squares += centred * centred;
  }
  let inverse = inverseSqrt(total(squares, lane) / f32(width) + numbers.epsilon);
  for (var i = lane; i < width; i += LANES) {
    y[first + i] = (sums[first + i] - mean) * inverse * gamma[i] + beta[i];
  }
  if (lane == 0u) {
    means[work] = mean;
    inverses[work] = inverse;
  }`,
});

/** The layer norm of dropout(x) + residual: what `LayerNorm` gives, with the sum behind the value. */
const ResidualNorm: Kernel<Draw & { epsilon: number }> = (inputs, attributes, backend) => {
  const { x, residual, gamma, beta } = inputs;
  const { shape } = x!;
  const statistics = floats([...shape.slice(0, -1), 1]);
  return residualForward(backend, {
    inputs: [x!, residual!, gamma!, beta!],
    outputs: [floats(shape), floats(shape), statistics, statistics],
    numbers: [attributes.epsilon, ...numbersOfDraw(attributes)],
  });
};

/** The gradient of what is normalised; of a sum with dropout, that of its first part as well. */
const inputGradient = (dropped: boolean) =>
  forEachRow({
    name: dropped ? 'ResidualNormGrad dx' : 'LayerNormGrad dx',
    inputs: ['dy', 'x', 'gamma', 'means', 'inverses'],
    outputs: { dx: 'f32', ...(dropped && { dropped: 'f32' as const }) },
    ...(dropped && { numbers: drawNumbers, declarations: drawFactor }),
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
    let slope = (dy[first + i] * gamma[i] - meanScaled - normalised * meanAlong) * inverse;
    dx[first + i] = slope;
    ${dropped ? 'dropped[first + i] = slope * drawFactor(first + i);' : ''}
  }`,
  });

const plainGradient = inputGradient(false);
const droppedGradient = inputGradient(true);

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
const LayerNormGrad: Kernel = (inputs, _, backend) => {
  const { dy, x, gamma, mean, inverseDeviation } = inputs;
  const [dx] = plainGradient(backend, {
    inputs: [dy!, x!, gamma!, mean!, inverseDeviation!],
    outputs: [floats(x!.shape)],
  });
  return [dx!, ...gradientsOfParameters(inputs, backend)];
};

/** The gradients of x, the residual, gamma and beta; the tensor named x is the sum. */
const ResidualNormGrad: Kernel<Draw> = (inputs, draw, backend) => {
  const { dy, x, gamma, mean, inverseDeviation } = inputs;
  const [dSum, dropped] = droppedGradient(backend, {
    inputs: [dy!, x!, gamma!, mean!, inverseDeviation!],
    outputs: [floats(x!.shape), floats(x!.shape)],
    numbers: numbersOfDraw(draw),
  });
  return [dropped!, dSum!, ...gradientsOfParameters(inputs, backend)];
};

function gradientsOfParameters(
  { dy, x, gamma, mean, inverseDeviation }: Readonly<Record<string, TensorInfo>>,
  backend: WebGpuBackend,
): TensorInfo[] {
  return parameterGradients(backend, {
    inputs: [dy!, x!, mean!, inverseDeviation!],
    outputs: () => [floats(gamma!.shape), floats(gamma!.shape)],
    whole: true,
  });
}

/** Kernels of this library's own layer normalisation (src/nn/norm.ts). */
export const layerNormKernels: KernelTable = {
  LayerNorm,
  LayerNormGrad,
  ResidualNorm,
  ResidualNormGrad,
};
