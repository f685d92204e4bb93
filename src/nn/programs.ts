import * as tf from '@tensorflow/tfjs-core';
import { differentiable, hasKernel, runFused } from './ops.js';

/** Ends a program, on a backend that compiles: what comes next is compiled, and run, by itself. */
export function endProgram(): void {
  if (hasKernel('Barrier')) runFused('Barrier', {});
}

/**
 * Computes something in programs of its own, and its gradient as well, on a backend that compiles: whatever the shapes
 * in it, what comes before and after is the same program then. Where what passes from one program to the next would have
 * to leave a graphics card, all stays one.
 */
export function inOwnPrograms<T extends tf.Tensor>(compute: () => T): T {
  if (!hasKernel('ProgramEdge')) return compute();
  const edge = () => runFused('ProgramEdge', {});
  return tf.tidy(() => {
    edge();
    const value = compute();
    return differentiable<T>([value], () => {
      edge();
      const gradient = (dy: T): tf.Tensor[] => {
        edge();
        return [tf.clone(dy)];
      };
      return { value: tf.clone(value), gradient };
    });
  });
}
