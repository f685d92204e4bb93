import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { differentiable, fused } from './ops.js';

/** A function of each element, with its gradient. */
export type Activation = <T extends tf.Tensor>(x: T) => T;

/** The activations that a configuration may name, as transformers names them. */
export const activations = {
  relu,
  gelu: (x) => gelu(x, 'none'),
  gelu_new: (x) => gelu(x, 'tanh'),
  gelu_pytorch_tanh: (x) => gelu(x, 'tanh'),
  silu,
} as const satisfies Record<string, Activation>;

/** A name in `activations`. */
export type ActivationName = keyof typeof activations;

/**
 * The activation of that name.
 *
 * @throws InputError listing the known names.
 */
export function activation(owner: string, name: string): Activation {
  if (Object.hasOwn(activations, name)) return activations[name as ActivationName];
  const known = Object.keys(activations).join(', ');
  throw new InputError(`${owner}: hiddenAct must be one of ${known}, got '${name}'`);
}

/** max(x, 0). */
export function relu<T extends tf.Tensor>(x: T): T {
  return differentiable([x], (save) => {
    const y = tf.relu(x);
    save([y]);
    return { value: y, gradient: (dy, [saved]) => [reluGradient(dy, saved!)] };
  });
}

/** The gradient of what `relu` made y of. */
export function reluGradient(dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  const compose = (): tf.Tensor[] => [tf.where(tf.greater(y, 0), dy, tf.zerosLike(dy))];
  return fused('ReluGrad', { dy, y }, {}, compose)[0]!;
}

/** x times the normal distribution function (Hendrycks and Gimpel 2016), exactly or by its tanh formula. */
export function gelu<T extends tf.Tensor>(x: T, approximate: 'none' | 'tanh'): T {
  return differentiable([x], (save) => {
    const [y] = fused('Gelu', { x }, { approximate }, () => [
      tf.mul(x, distribution[approximate](x)),
    ]);
    save([x]);
    return { value: y as T, gradient: (dy, [saved]) => [geluGradient(dy, saved!, approximate)] };
  });
}

function geluGradient(dy: tf.Tensor, x: tf.Tensor, approximate: 'none' | 'tanh'): tf.Tensor {
  const compose = (): tf.Tensor[] => {
    const cdf = distribution[approximate](x);
    return [tf.mul(dy, tf.add(cdf, tf.mul(x, density[approximate](x, cdf))))];
  };
  return fused('GeluGrad', { x, dy }, { approximate }, compose)[0]!;
}

const cubic = 0.044715;
const sqrt2OverPi = Math.sqrt(2 / Math.PI);

/** The normal distribution function, and its approximation by tanh. */
const distribution = {
  none: (x: tf.Tensor) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5),
  tanh: (x: tf.Tensor) => {
    const inner = tf.mul(tf.mul(x, tf.add(tf.mul(tf.square(x), cubic), 1)), sqrt2OverPi);
    return tf.mul(tf.add(tf.tanh(inner), 1), 0.5);
  },
};

/** The derivatives of `distribution`; the second is 2 cdf (1 - cdf) d(inner)/dx. */
const density = {
  none: (x: tf.Tensor, _cdf: tf.Tensor) =>
    tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI)),
  tanh: (x: tf.Tensor, cdf: tf.Tensor) => {
    const slope = tf.mul(tf.add(tf.mul(tf.square(x), 3 * cubic), 1), 2 * sqrt2OverPi);
    return tf.mul(tf.mul(cdf, tf.sub(1, cdf)), slope);
  },
};

/** x times its sigmoid (Elfwing et al. 2017). */
export function silu<T extends tf.Tensor>(x: T): T {
  return differentiable([x], (save) => {
    save([x]);
    return {
      value: tf.mul(x, tf.sigmoid(x)) as T,
      gradient: (dy, [saved]) => [siluGradient(dy, saved!)],
    };
  });
}

function siluGradient(dy: tf.Tensor, x: tf.Tensor): tf.Tensor {
  const s = tf.sigmoid(x);
  return tf.mul(dy, tf.mul(s, tf.add(tf.mul(x, tf.sub(1, s)), 1)));
}
