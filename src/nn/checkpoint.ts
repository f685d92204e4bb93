import * as tf from '@tensorflow/tfjs-core';
import type { ForwardContext } from './dropout.js';
import type { Module } from './module.js';
import { differentiable } from './ops.js';
import { endProgram } from './programs.js';

/** A part of a forward pass: a function of its inputs, of parameters and of the context alone. */
export type Checkpointed<T extends tf.Tensor> = (
  inputs: readonly tf.Tensor[],
  context: ForwardContext,
) => T;

/**
 * Runs a part of a forward pass; with `context.gradientCheckpointing`, and where a gradient is being recorded,
 * nothing of it is kept for the backward pass but its inputs, and that pass computes it a second time (Chen et al.
 * 2016), as `torch.utils.checkpoint`. Values, gradients, dropout masks and statistics are the same either way.
 *
 * @param inputs what `part` reads; it must read no other tensor, since all others are freed by then.
 * @param modules those whose parameters `part` uses: no other gets a gradient.
 */
export function checkpoint<T extends tf.Tensor>(
  part: Checkpointed<T>,
  inputs: readonly tf.Tensor[],
  modules: readonly Module[],
  context: ForwardContext,
): T {
  if (!context.gradientCheckpointing || !isRecording()) return part(inputs, context);
  const trained = modules.flatMap((module) => [...module.trainableParameters().values()]);
  const random = context.random?.fork();
  const again = (given: readonly tf.Tensor[]): T =>
    part(given, { ...context, random: random?.fork(), recomputing: true });
  return differentiable<T>([...inputs, ...trained], (save) => {
    save([...inputs]);
    return {
      value: apart(() => part(inputs, context)),
      gradient: (dy, saved) => apart(() => gradients(again, saved, trained, dy)),
    };
  });
}

/** Whether TensorFlow.js records what it computes, to differentiate it. */
function isRecording(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

/** Computes in programs of its own, on a backend that compiles: what is computed twice must not be merged into one. */
function apart<T>(compute: () => T): T {
  endProgram();
  const result = compute();
  endProgram();
  return result;
}

/** The gradients of a part with respect to its inputs, then to the parameters. */
function gradients<T extends tf.Tensor>(
  part: (inputs: readonly tf.Tensor[]) => T,
  inputs: readonly tf.Tensor[],
  parameters: readonly tf.Variable[],
  dy: T,
): tf.Tensor[] {
  const sources = [...inputs, ...parameters];
  const { value, grads } = withOwnTape(() =>
    tf.engine().gradients(() => part(inputs), sources, dy, true),
  );
  value.dispose();
  // TensorFlow.js gives null where the value does not depend on a source.
  return sources.map((source, i) => (grads[i] as tf.Tensor | null) ?? tf.zerosLike(source));
}

/** A backward pass within another: TensorFlow.js drops the tape at the end of one, and the outer still needs its own. */
function withOwnTape<R>(differentiate: () => R): R {
  const { state } = tf.engine();
  const tape = state.activeTape;
  try {
    return differentiate();
  } finally {
    state.activeTape = tape;
  }
}
