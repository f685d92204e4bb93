import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { additiveMask } from '../nn/attention.js';
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

const options = v.strictObject({
  ...attentionOptions.entries,
  layers: v.optional(integer(1), 2),
  bottlenecks: v.optional(integer(1), 4),
});

/**
 * Attention bottlenecks (MBT, Nagrani et al. 2021): each modality has its own transformer, and the two exchange what they
 * know through a few vectors alone, which both see and whose two versions are averaged behind every layer.
 *
 *     [T; B_t] = layer_t([T; B]), [R; B_i] = layer_i([R; B]), B = (B_t + B_i) / 2
 *     logits = (W LayerNorm(T)_0 + W LayerNorm(R)_0) / 2
 *
 * where T are the projected tokens and R the projected regions, each behind a class token of its own. Parameters `text_proj`,
 * `image_proj`, `text_class` and `image_class` [1, 1, dim], `bottleneck` (B) [1, bottlenecks, dim], `text_layers.k`,
 * `image_layers.k`, `text_norm`, `image_norm`, `fc` (W).
 */
export class BottleneckFusion extends SequenceFusion {
  static readonly options = options;
  readonly textProjection: Linear;
  readonly imageProjection: Linear;
  readonly textClass: tf.Variable;
  readonly imageClass: tf.Variable;
  readonly bottleneck: tf.Variable;
  /** Of each layer: the text's and the picture's. */
  readonly layers: readonly (readonly [TransformerLayer, TransformerLayer])[];
  readonly textNorm: LayerNorm;
  readonly imageNorm: LayerNorm;
  readonly fc: Linear;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    requireHeads(config);
    super(sizes, scope, config);
    const { dim, heads, dropout, layers, bottlenecks } = config;
    const { tokenSize, regionSize } = this.widths;
    const small = normal(0.02);
    this.textProjection = this.child('text_proj', (inner) => new Linear(tokenSize, dim, inner));
    this.imageProjection = this.child('image_proj', (inner) => new Linear(regionSize, dim, inner));
    this.textClass = this.parameter('text_class', [1, 1, dim], small);
    this.imageClass = this.parameter('image_class', [1, 1, dim], small);
    this.bottleneck = this.parameter('bottleneck', [1, bottlenecks, dim], small);
    const layer = (inner: Scope): TransformerLayer =>
      new TransformerLayer({ width: dim, heads, dropout }, inner);
    this.layers = Array.from({ length: layers }, (_, k) => [
      this.child(`text_layers.${k}`, layer),
      this.child(`image_layers.${k}`, layer),
    ]);
    const norm = (inner: Scope): LayerNorm => new LayerNorm(dim, 1e-5, inner);
    this.textNorm = this.child('text_norm', norm);
    this.imageNorm = this.child('image_norm', norm);
    this.fc = this.child('fc', (inner) => new Linear(dim, sizes.classes, inner));
  }

  protected override join(
    { tokens, mask, regions }: Sequences,
    context: FusionContext,
  ): tf.Tensor2D {
    const batch = tokens.shape[0];
    const behind = (parameter: tf.Variable, x: tf.Tensor3D): tf.Tensor3D =>
      tf.concat([forEachRow(parameter, batch), x], 1);
    let t = behind(this.textClass, this.textProjection.forward(tokens)); // [batch, 1 + length, dim]
    let r = behind(this.imageClass, this.imageProjection.forward(regions)); // [batch, 1 + regions, dim]
    let shared = forEachRow(this.bottleneck, batch); // [batch, bottlenecks, dim]
    const ofText = additiveMask(extendMask(mask, 1, shared.shape[1]));
    for (const [textLayer, imageLayer] of this.layers) {
      const [nextT, fromText] = cut(textLayer.run(join(t, shared), ofText, context), t);
      const [nextR, fromImage] = cut(imageLayer.run(join(r, shared), undefined, context), r);
      [t, r, shared] = [nextT, nextR, tf.mul(tf.add(fromText, fromImage), 0.5)];
    }
    const answers = [this.textNorm.forward(t), this.imageNorm.forward(r)].map((x) =>
      this.fc.forward(firstOf(x)),
    );
    return tf.mul(tf.add(answers[0]!, answers[1]!), 0.5);
  }
}

function join(x: tf.Tensor3D, shared: tf.Tensor3D): tf.Tensor3D {
  return tf.concat([x, shared], 1);
}

/** A sequence and what was joined to it, again. */
function cut(
  joined: tf.Tensor3D,
  { shape: [batch, length, width] }: tf.Tensor3D,
): [tf.Tensor3D, tf.Tensor3D] {
  const others = joined.shape[1] - length;
  return [
    tf.slice(joined, [0, 0, 0], [batch, length, width]),
    tf.slice(joined, [0, length, 0], [batch, others, width]),
  ];
}
