import * as tf from '@tensorflow/tfjs-core';
import { defaultUniform } from './initializers.js';
import type { ForwardContext } from './dropout.js';
import type { Initializer } from './initializers.js';
import type { LoraAdapter } from './lora.js';
import { Module } from './module.js';
import type { Scope } from './module.js';
import { differentiable, fused } from './ops.js';

/** How a linear layer's parameters begin, where not as PyTorch's default. */
export interface LinearInit {
  readonly weight: Initializer;
  readonly bias: Initializer;
}

/** A fully connected layer, as `torch.nn.Linear`: parameters `weight` [out, in] and `bias` [out]. */
export class Linear extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;
  #adapter: LoraAdapter | undefined;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    scope: Scope = {},
    init?: LinearInit,
  ) {
    super(scope);
    const byDefault = defaultUniform(inFeatures);
    this.weight = this.parameter('weight', [outFeatures, inFeatures], init?.weight ?? byDefault);
    this.bias = this.parameter('bias', [outFeatures], init?.bias ?? byDefault);
  }

  /** Maps the last axis: [..., in] to [..., out]. The context is for the dropout of an adapter. */
  forward<T extends tf.Tensor>(x: T, context?: ForwardContext): T {
    const rows = tf.reshape<tf.Rank.R2>(x, [-1, this.inFeatures]);
    const y = dense(rows, this.weight as tf.Tensor2D, this.bias as tf.Tensor1D);
    const more = this.#adapter?.forward(rows, context);
    const sum = more === undefined ? y : tf.add(y, more);
    return tf.reshape(sum, [...x.shape.slice(0, -1), this.outFeatures]) as unknown as T;
  }

  /** The low-rank term beside this layer, where it has one (see `addLora`). */
  get adapter(): LoraAdapter | undefined {
    return this.#adapter;
  }

  /** Gives this layer a low-rank adapter, its parameters beside `weight` and `bias`. */
  adapt(make: (scope: Scope) => LoraAdapter): void {
    this.#adapter = this.child('', make);
  }

  /** Removes the adapter; what it has learned stays where it was merged. */
  dropAdapter(): void {
    this.dropChild('');
    this.#adapter = undefined;
  }
}

/** x wT + b, for x [rows, in], w [out, in], b [out]. */
export function dense(x: tf.Tensor2D, w: tf.Tensor2D, b: tf.Tensor1D): tf.Tensor2D {
  return differentiable([x, w, b], (save) => {
    const [y] = fused('Dense', { x, w, b }, {}, () => [tf.add(tf.matMul(x, w, false, true), b)]);
    save([x, w]);
    return {
      value: y as tf.Tensor2D,
      gradient: (dy, saved) => {
        const [savedX, savedW] = saved as [tf.Tensor2D, tf.Tensor2D];
        const [db] = fused('ColumnSums', { x: dy }, {}, () => [tf.sum(dy, 0)]);
        return [tf.matMul(dy, savedW), tf.matMul(dy, savedX, true, false), db!];
      },
    };
  });
}
