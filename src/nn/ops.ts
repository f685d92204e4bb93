import * as tf from '@tensorflow/tfjs-core';

/** What an operator with a gradient of its own returns. */
export interface Differentiable<T extends tf.Tensor> {
  readonly value: T;
  /** One gradient for each input, from that of the value and the tensors that were saved, in order. */
  readonly gradient: (dy: T, saved: readonly tf.Tensor[]) => tf.Tensor[];
}

/**
 * Runs an operator that carries its own gradient. The backward pass may use nothing but `dy` and what
 * was given to `save`, since everything else is freed by then.
 */
export function differentiable<T extends tf.Tensor>(
  inputs: readonly tf.Tensor[],
  forward: (save: (tensors: tf.Tensor[]) => void) => Differentiable<T>,
): T {
  const run = tf.customGrad((...given) => {
    const { value, gradient } = forward(given.at(-1) as (tensors: tf.Tensor[]) => void);
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradient(dy as T, saved) };
  });
  return run(...inputs) as T;
}

/** Computes without recording for gradients: the result is a constant to whoever differentiates. */
export function detached<T extends tf.Tensor>(compute: () => T): T {
  return differentiable([], () => ({ value: compute(), gradient: () => [] }));
}

/** Whether the current backend has a kernel. */
export function hasKernel(kernelName: string): boolean {
  return tf.getKernel(kernelName, tf.getBackend()) !== undefined;
}

/**
 * Runs a kernel that the current backend may have for a whole operator, and otherwise composes the
 * operator of ordinary ones.
 */
export function fused(
  kernelName: string,
  inputs: Record<string, tf.Tensor>,
  attributes: Record<string, string | number | number[]>,
  compose: () => tf.Tensor[],
): tf.Tensor[] {
  return hasKernel(kernelName) ? runFused(kernelName, inputs, attributes) : compose();
}

/** Runs a kernel that the current backend has. */
export function runFused(
  kernelName: string,
  inputs: Record<string, tf.Tensor>,
  attributes: Record<string, string | number | number[]> = {},
): tf.Tensor[] {
  const output = tf.engine().runKernel<tf.Tensor | tf.Tensor[]>(kernelName, inputs, attributes);
  return Array.isArray(output) ? output : [output];
}

/** Every axis but the last. */
export function leadingAxes(x: tf.Tensor): number[] {
  return Array.from({ length: x.rank - 1 }, (_, axis) => axis);
}
