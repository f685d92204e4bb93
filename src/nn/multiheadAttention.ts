import * as tf from '@tensorflow/tfjs-core';
import { headsAttention } from './attention.js';
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
    const { heads, dropout: rate } = this;
    const attended = headsAttention(
      this.#project(asking, 0),
      this.#project(source, 1),
      this.#project(source, 2),
      { heads, mask, rate },
      context,
    );
    return this.outProjection.forward(attended);
  }

  /** Queries (0), keys (1) or values (2) of all heads side by side: [batch, length, width] to the same. */
  #project(x: tf.Tensor3D, part: 0 | 1 | 2): tf.Tensor3D {
    const { width } = this;
    const weight = tf.slice(this.inWeight as tf.Tensor2D, [part * width, 0], [width, width]);
    const bias = tf.slice(this.inBias as tf.Tensor1D, [part * width], [width]);
    return tf.reshape(dense(tf.reshape(x, [-1, width]), weight, bias), x.shape);
  }
}
