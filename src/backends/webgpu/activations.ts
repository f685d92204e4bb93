import { forEachElement } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

type Approximate = 'none' | 'tanh';

/** The normal distribution function at x, and its slope. */
const declarations: Readonly<Record<Approximate, string>> = {
  // The error function by formula 7.1.26 of Abramowitz and Stegun (error below 1.5e-7), as TensorFlow.js has it.
  none: `
fn distribution(x: f32) -> f32 {
  let z = x * ${Math.SQRT1_2};
  let t = 1.0 / (1.0 + 0.3275911 * abs(z));
  let polynomial = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  let tail = polynomial * exp(-z * z);
  return select(1.0 - 0.5 * tail, 0.5 * tail, z < 0.0);
}
fn slope(x: f32) -> f32 { return exp(-0.5 * x * x) * ${1 / Math.sqrt(2 * Math.PI)}; }`,
  tanh: `
fn distribution(x: f32) -> f32 {
  let inner = x * (0.044715 * x * x + 1.0) * ${Math.sqrt(2 / Math.PI)};
  return 0.5 * (tanh(clamp(inner, -15.0, 15.0)) + 1.0);
}
fn slope(x: f32) -> f32 {
  let cdf = distribution(x);
  return 2.0 * cdf * (1.0 - cdf) * (3.0 * 0.044715 * x * x + 1.0) * ${Math.sqrt(2 / Math.PI)};
}`,
};

const gelu = (approximate: Approximate) =>
  forEachElement({
    name: `Gelu ${approximate}`,
    inputs: ['x'],
    outputs: { y: 'f32' },
    declarations: declarations[approximate],
    code: 'y[i] = x[i] * distribution(x[i]);',
  });

const geluGradient = (approximate: Approximate) =>
  forEachElement({
    name: `GeluGrad ${approximate}`,
    inputs: ['x', 'dy'],
    outputs: { dx: 'f32' },
    declarations: declarations[approximate],
    code: 'dx[i] = dy[i] * (distribution(x[i]) + x[i] * slope(x[i]));',
  });

const forward = { none: gelu('none'), tanh: gelu('tanh') };
const backward = { none: geluGradient('none'), tanh: geluGradient('tanh') };

/** x times the normal distribution function, or its approximation by tanh. */
const Gelu: Kernel<{ approximate: Approximate }> = ({ x }, { approximate }, backend) =>
  forward[approximate](backend, { inputs: [x!], outputs: [floats(x!.shape)] });

const GeluGrad: Kernel<{ approximate: Approximate }> = ({ x, dy }, { approximate }, backend) =>
  backward[approximate](backend, { inputs: [x!, dy!], outputs: [floats(x!.shape)] });

const reluGradient = forEachElement({
  name: 'ReluGrad',
  inputs: ['dy', 'y'],
  outputs: { dx: 'f32' },
  code: 'dx[i] = select(0.0, dy[i], y[i] > 0.0);',
});

const ReluGrad: Kernel = ({ dy, y }, _, backend) =>
  reluGradient(backend, { inputs: [dy!, y!], outputs: [floats(y!.shape)] });

/** Kernels of this library's own activations (src/nn/activations.ts). */
export const activationKernels: KernelTable = { Gelu, GeluGrad, ReluGrad };
