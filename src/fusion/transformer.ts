import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { additiveMask } from '../nn/attention.js';
import { dropout } from '../nn/dropout.js';
import { normal } from '../nn/initializers.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { LayerNorm } from '../nn/norm.js';
import { TransformerLayer } from '../nn/transformerLayer.js';
import { integer } from '../schema.js';
import type { FusionContext, FusionSizes, OptionsOf } from './fusion.js';
import { attentionOptions, requireHeads } from './heads.js';
import { extendMask, firstOf, forEachRow, SequenceFusion } from './sequences.js';
import type { Sequences } from './sequences.js';

const options = v.strictObject({ ...attentionOptions.entries, layers: v.optional(integer(1), 2) });

/**
 * A fusion encoder (as in VisualBERT, Li et al. 2019, and UNITER, Chen et al. 2020): tokens and regions in one sequence
 * behind a class token, through transformer layers, and the class token's vector answers.
 *
 *     x = [c; U tokens + e_0; V regions + e_1], x = layer(x) ..., logits = W LayerNorm(x)_0
 *
 * Parameters `class_token` (c) [1, 1, dim], `text_proj` (U), `image_proj` (V), `type_embedding` (e) [2, dim], `layers.k`,
 * `norm`, `fc` (W). Tokens bring their positions with them from BERT; regions have what the ResNet's borders tell.
 */
export class TransformerFusion extends SequenceFusion {
  static readonly options = options;
  readonly classToken: tf.Variable;
  readonly textProjection: Linear;
  readonly imageProjection: Linear;
  readonly types: tf.Variable;
  readonly layers: readonly TransformerLayer[];
  readonly norm: LayerNorm;
  readonly fc: Linear;
  readonly #dropout: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    requireHeads(config);
    super(sizes, scope, config);
    const { dim, heads, dropout: rate, layers } = config;
    const { tokenSize, regionSize } = this.widths;
    this.classToken = this.parameter('class_token', [1, 1, dim], normal(0.02));
    this.textProjection = this.child('text_proj', (inner) => new Linear(tokenSize, dim, inner));
    this.imageProjection = this.child('image_proj', (inner) => new Linear(regionSize, dim, inner));
    this.types = this.parameter('type_embedding', [2, dim], normal(0.02));
    const geometry = { width: dim, heads, dropout: rate };
    this.layers = Array.from({ length: layers }, (_, k) =>
      this.child(`layers.${k}`, (inner) => new TransformerLayer(geometry, inner)),
    );
    this.norm = this.child('norm', (inner) => new LayerNorm(dim, 1e-5, inner));
    this.fc = this.child('fc', (inner) => new Linear(dim, sizes.classes, inner));
    this.#dropout = rate;
  }

  protected override join(
    { tokens, mask, regions }: Sequences,
    context: FusionContext,
  ): tf.Tensor2D {
    const [ofText, ofImage] = tf.split(this.types as tf.Tensor2D, 2); // [1, dim] each
    const t = tf.add(this.textProjection.forward(tokens), ofText!); // [batch, length, dim]
    const r = tf.add(this.imageProjection.forward(regions), ofImage!); // [batch, regions, dim]
    const first = forEachRow(this.classToken, tokens.shape[0]);
    const whole = additiveMask(extendMask(mask, 1, regions.shape[1]));
    const x = dropout(tf.concat([first, t, r], 1) as tf.Tensor3D, this.#dropout, context);
    const last = this.layers.reduce((y, layer) => layer.run(y, whole, context), x);
    return this.fc.forward(firstOf(this.norm.forward(last)));
  }
}
