import * as tf from '@tensorflow/tfjs-core';
import { attention } from './attention.js';
import { dropoutMask } from './dropout.js';
import type { ForwardContext } from './dropout.js';
import { constant, uniform } from './initializers.js';
import type { Initializer } from './initializers.js';
import { dense, Linear } from './linear.js';
import { Module } from './module.js';
import type { Scope } from './module.js';

/** Xavier's uniform (Glorot and Bengio 2010) of a matrix [out, in]. */
const xavierUniform: Initializer = (values, shape, random) =>
  uniform(Math.sqrt(6 / (shape[0]! + shape[1]!)))(values, shape, random);

/**
 * Attention with several heads (Vaswani et al. 2017), as `torch.nn.MultiheadAttention(width, heads, batch_first=True)`:
 * parameters `in_proj_weight` [3 width, width] (queries, keys, values), `in_proj_bias`, `out_proj`.
 */
export class MultiheadAttention extends Module {
  readonly inWeight: tf.Variable;
  readonly inBias: tf.Variable;
  readonly outProjection: Linear;

  /** @param dropout of the attention probabilities */
  constructor(
    readonly width: number,
    readonly heads: number,
    readonly dropout: number,
    scope: Scope = {},
  ) {
    super(scope);
    this.inWeight = this.parameter('in_proj_weight', [3 * width, width], xavierUniform);
    this.inBias = this.parameter('in_proj_bias', [3 * width], constant(0));
    const init = { weight: xavierUniform, bias: constant(0) };
    this.outProjection = this.child('out_proj', (inner) => new Linear(width, width, inner, init));
  }

  /**
   * What `asking` [batch, queries, width] finds in `source` [batch, length, width]: [batch, queries, width].
   *
   * @param mask of the source, as `additiveMask` makes it
   */
  forward(
    asking: tf.Tensor3D,
    source: tf.Tensor3D,
    mask: tf.Tensor4D | undefined,
    context: ForwardContext,
  ): tf.Tensor3D {
    const { width, heads } = this;
    const [batch, queries] = asking.shape;
    const shape = [batch, heads, queries, source.shape[1]];
    const attended = attention(
      this.#project(asking, 0),
      this.#project(source, 1),
      this.#project(source, 2),
      { mask, dropout: dropoutMask(shape, this.dropout, context) },
    ); // [batch, heads, queries, width / heads]
    const joined = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch, queries, width]);
    return this.outProjection.forward(joined as tf.Tensor3D);
  }

  /** Queries (0), keys (1) or values (2) of each head: [batch, length, width] to [batch, heads, length, width / heads]. */
  #project(x: tf.Tensor3D, part: 0 | 1 | 2): tf.Tensor4D {
    const { width, heads } = this;
    const [batch, length] = x.shape;
    const weight = tf.slice(this.inWeight as tf.Tensor2D, [part * width, 0], [width, width]);
    const bias = tf.slice(this.inBias as tf.Tensor1D, [part * width], [width]);
    const rows = dense(tf.reshape(x, [-1, width]), weight, bias);
    const split: tf.Tensor4D = tf.reshape(rows, [batch, length, heads, width / heads]);
    return tf.transpose(split, [0, 2, 1, 3]);
  }
}
