import * as tf from '@tensorflow/tfjs-core';
import { gelu } from './activations.js';
import { checkpoint } from './checkpoint.js';
import { dropout } from './dropout.js';
import type { ForwardContext } from './dropout.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import type { Scope } from './module.js';
import { MultiheadAttention } from './multiheadAttention.js';
import { LayerNorm } from './norm.js';

/** The geometry of a transformer layer; its feed-forward network is four times as wide. */
export interface TransformerOptions {
  readonly width: number;
  /** Divides the width. */
  readonly heads: number;
  readonly dropout: number;
}

/**
 * A transformer layer with norms before its parts (Xiong et al. 2020) and GELU, as `torch.nn.TransformerEncoderLayer(width,
 * heads, 4 * width, dropout, 'gelu', batch_first=True, norm_first=True)`: `self_attn`, `linear1`, `linear2`, `norm1`, `norm2`.
 */
export class TransformerLayer extends Module {
  readonly attention: MultiheadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly #dropout: number;

  constructor({ width, heads, dropout: rate }: TransformerOptions, scope: Scope = {}) {
    super(scope);
    this.attention = this.child(
      'self_attn',
      (inner) => new MultiheadAttention(width, heads, rate, inner),
    );
    this.linear1 = this.child('linear1', (inner) => new Linear(width, 4 * width, inner));
    this.linear2 = this.child('linear2', (inner) => new Linear(4 * width, width, inner));
    this.norm1 = this.child('norm1', (inner) => new LayerNorm(width, 1e-5, inner));
    this.norm2 = this.child('norm2', (inner) => new LayerNorm(width, 1e-5, inner));
    this.#dropout = rate;
  }

  /** [batch, length, width] to the same; the mask as `additiveMask` makes it. */
  forward(x: tf.Tensor3D, mask: tf.Tensor4D | undefined, context: ForwardContext): tf.Tensor3D {
    const drop = (y: tf.Tensor3D): tf.Tensor3D => dropout(y, this.#dropout, context);
    const normed = this.norm1.forward(x);
    const attended = this.attention.forward(normed, normed, mask, context);
    const middle: tf.Tensor3D = tf.add(x, drop(attended));
    const active = gelu(this.linear1.forward(this.norm2.forward(middle)), 'none');
    return tf.add(middle, drop(this.linear2.forward(drop(active))));
  }

  /** As `forward`; with gradient checkpointing the backward pass computes it again. */
  run(x: tf.Tensor3D, mask: tf.Tensor4D | undefined, context: ForwardContext): tf.Tensor3D {
    return checkpoint(
      ([y, m], inner) => this.forward(y as tf.Tensor3D, m as tf.Tensor4D | undefined, inner),
      mask === undefined ? [x] : [x, mask],
      [this],
      context,
    );
  }
}
