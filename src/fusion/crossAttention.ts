import * as tf from '@tensorflow/tfjs-core';
import { additiveMask } from '../nn/attention.js';
import { dropout } from '../nn/dropout.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { MultiheadAttention } from '../nn/multiheadAttention.js';
import { LayerNorm } from '../nn/norm.js';
import type { FusionContext, FusionSizes, OptionsOf } from './fusion.js';
import { attentionOptions, requireHeads } from './heads.js';
import { maskedMean, SequenceFusion } from './sequences.js';
import type { Sequences } from './sequences.js';

/**
 * Co-attention (ViLBERT, Lu et al. 2019): every token looks at the regions of the picture, and every region at the
 * tokens, and the means of both results are joined.
 *
 *     T = U tokens, R = V regions
 *     T' = LayerNorm(T + attention(T, R)), R' = LayerNorm(R + attention(R, T)), logits = W [mean T'; mean R']
 *
 * Parameters `text_proj` (U), `image_proj` (V), `text_attention`, `image_attention`, `text_norm`, `image_norm`, `fc` (W);
 * padding is neither looked at nor counted.
 */
export class CrossAttentionFusion extends SequenceFusion {
  static readonly options = attentionOptions;
  readonly textProjection: Linear;
  readonly imageProjection: Linear;
  readonly textAttention: MultiheadAttention;
  readonly imageAttention: MultiheadAttention;
  readonly textNorm: LayerNorm;
  readonly imageNorm: LayerNorm;
  readonly fc: Linear;
  readonly #dropout: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof attentionOptions>) {
    requireHeads(config);
    super(sizes, scope, config);
    const { dim, heads, dropout: rate } = config;
    const { tokenSize, regionSize } = this.widths;
    const attend = (inner: Scope): MultiheadAttention =>
      new MultiheadAttention(dim, heads, rate, inner);
    const norm = (inner: Scope): LayerNorm => new LayerNorm(dim, 1e-5, inner);
    this.textProjection = this.child('text_proj', (inner) => new Linear(tokenSize, dim, inner));
    this.imageProjection = this.child('image_proj', (inner) => new Linear(regionSize, dim, inner));
    this.textAttention = this.child('text_attention', attend);
    this.imageAttention = this.child('image_attention', attend);
    this.textNorm = this.child('text_norm', norm);
    this.imageNorm = this.child('image_norm', norm);
    this.fc = this.child('fc', (inner) => new Linear(2 * dim, sizes.classes, inner));
    this.#dropout = rate;
  }

  protected override join(
    { tokens, mask, regions }: Sequences,
    context: FusionContext,
  ): tf.Tensor2D {
    const drop = (x: tf.Tensor3D): tf.Tensor3D => dropout(x, this.#dropout, context);
    const t = this.textProjection.forward(tokens); // [batch, length, dim]
    const r = this.imageProjection.forward(regions); // [batch, regions, dim]
    const toRegions = this.textAttention.forward(t, r, undefined, context);
    const toTokens = this.imageAttention.forward(r, t, additiveMask(mask), context);
    const ofText = maskedMean(this.textNorm.forward(tf.add(t, drop(toRegions))), mask);
    const ofImage = tf.mean<tf.Tensor2D>(this.imageNorm.forward(tf.add(r, drop(toTokens))), 1);
    return this.fc.forward(tf.concat([ofText, ofImage], 1));
  }
}
