import type { TensorInfo } from '@tensorflow/tfjs-core';
import { forEachElement } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

/** What an update may lack: before the first, the moments are zero; where nothing is clipped there is no scale. */
interface Variant {
  readonly first: boolean;
  readonly scaled: boolean;
}

const update = ({ first, scaled }: Variant) =>
  forEachElement({
    name: `AdamW${first ? ' first' : ''}${scaled ? ' scaled' : ''}`,
    inputs: [
      'variable',
      'gradient',
      ...(scaled ? ['scale'] : []),
      ...(first ? [] : ['expAvg', 'expAvgSq']),
    ],
    outputs: { value: 'f32', mean: 'f32', square: 'f32' },
    numbers: {
      keep: 'f32',
      stepSize: 'f32',
      correction: 'f32',
      // 1 - beta is rounded once, as PyTorch does it: taken in float32 it would have lost half of its digits.
      fresh1: 'f32',
      beta2: 'f32',
      fresh2: 'f32',
      epsilon: 'f32',
    },
    code: `
  let g = gradient[i]${scaled ? ' * scale[0]' : ''};
  let m = ${first ? '0.0' : 'expAvg[i]'};
  let v = ${first ? '0.0' : 'expAvgSq[i]'};
  let m1 = m + (g - m) * numbers.fresh1;
  let v1 = v * numbers.beta2 + g * g * numbers.fresh2;
  mean[i] = m1;
  square[i] = v1;
  let denominator = sqrt(v1) / numbers.correction + numbers.epsilon;
  value[i] = variable[i] * numbers.keep - m1 / denominator * numbers.stepSize;`,
  });

const updates = [false, true].map((first) =>
  [false, true].map((scaled) => update({ first, scaled })),
);

interface Numbers {
  readonly keep: number;
  readonly stepSize: number;
  readonly correction: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** AdamW's update of one variable in one dispatch: the variable and both moments, which are zero where none are given. */
const AdamW: Kernel<Numbers> = (inputs, numbers, backend) => {
  const { variable, gradient, scale, expAvg, expAvgSq } = inputs;
  const { keep, stepSize, correction, beta1, beta2, epsilon } = numbers;
  const run = updates[Number(expAvg === undefined)]![Number(scale !== undefined)]!;
  const output = floats(variable!.shape);
  return run(backend, {
    inputs: [variable, gradient, scale, expAvg, expAvgSq].filter(isGiven),
    outputs: [output, output, output],
    numbers: [keep, stepSize, correction, 1 - beta1, beta2, 1 - beta2, epsilon],
  });
};

const isGiven = (tensor: TensorInfo | undefined): tensor is TensorInfo => tensor !== undefined;

/** Kernels that update parameters (src/training/optimizer.ts). */
export const optimizerKernels: KernelTable = { AdamW };
