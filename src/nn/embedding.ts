import * as tf from '@tensorflow/tfjs-core';
import type { Initializer } from './initializers.js';
import { Module } from './module.js';
import type { Scope } from './module.js';
import { differentiable } from './ops.js';

/** A table of vectors, as `torch.nn.Embedding`: parameter `weight` [count, width]. */
export class Embedding extends Module {
  readonly weight: tf.Variable;

  constructor(
    count: number,
    readonly width: number,
    init: Initializer,
    scope: Scope = {},
    /** The row that gets no gradient, where there is one. */
    readonly paddingIndex?: number,
  ) {
    super(scope);
    this.weight = this.parameter('weight', [count, width], init);
  }

  /** The rows of int32 ids: [batch, length] to [batch, length, width]. */
  forward(ids: tf.Tensor2D): tf.Tensor3D {
    const rows = tf.gather(this.weight, ids) as tf.Tensor3D;
    if (this.paddingIndex === undefined) return rows;
    return maskGradient(rows, tf.expandDims(tf.notEqual(ids, this.paddingIndex), -1));
  }

  /** The first rows, for positions 0 ... length - 1: [length, width]. */
  first(length: number): tf.Tensor2D {
    return tf.slice(this.weight as tf.Tensor2D, [0, 0], [length, this.width]);
  }

  /** What `forward` gives, as a product with one-hot rows: cheaper both ways where the table is tiny. */
  select(ids: tf.Tensor2D): tf.Tensor3D {
    const all = tf.range(0, this.weight.shape[0]!, 1, 'int32');
    const oneHot = tf.cast(tf.equal(tf.reshape(ids, [-1, 1]), all), 'float32'); // [batch * length, count]
    const rows = tf.matMul(oneHot as tf.Tensor2D, this.weight as tf.Tensor2D);
    return tf.reshape(rows, [...ids.shape, this.width]);
  }
}

/** x itself; its gradient where `keep` (bool, broadcast) is true and zero elsewhere. */
function maskGradient<T extends tf.Tensor>(x: T, keep: tf.Tensor): T {
  return differentiable([x], (save) => {
    save([keep]);
    return {
      value: tf.clone(x),
      gradient: (dy, [saved]) => [tf.mul(dy, tf.cast(saved!, 'float32'))],
    };
  });
}
