import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { integer } from '../schema.js';
import { BilinearFusion, bilinearOptions, sumRanks } from './bilinear.js';
import type { FusionSizes, OptionsOf } from './fusion.js';
import { powerNormal } from './powerNormal.js';

const options = v.strictObject({
  ...bilinearOptions,
  chunks: v.optional(integer(1), 20),
  rank: v.optional(integer(1), 15),
});

/**
 * Block-superdiagonal fusion (BLOCK, Ben-younes et al. 2019): projections are cut into `chunks` (fewer
 * where dim is small), and those at the same place meet in a bilinear form of their own, as in MUTAN.
 *
 *     z_c = powerNormal(sum_r (M_cr (U t)_c) * (N_cr (V i)_c)), z = [z_1; ...; z_C], logits = P z
 *
 * Parameters `linear0` (U) and `linear1` (V) to dim, `merge_linears0.c` (M_c), `merge_linears1.c` (N_c), `linear_out` (P).
 */
export class BlockFusion extends BilinearFusion {
  static readonly options = options;
  readonly linear0: Linear;
  readonly linear1: Linear;
  readonly mergeLinears0: readonly Linear[];
  readonly mergeLinears1: readonly Linear[];
  /** The length of each chunk. */
  readonly chunkSizes: number[];
  readonly #rank: number;

  constructor(sizes: FusionSizes, scope: Scope, config: OptionsOf<typeof options>) {
    const { rank, chunks, dim = sizes.hiddenSize } = config;
    const chunkSizes = cut(dim, chunks);
    super(sizes, scope, config, dim);
    this.chunkSizes = chunkSizes;
    this.linear0 = this.child('linear0', (inner) => new Linear(sizes.textSize, dim, inner));
    this.linear1 = this.child('linear1', (inner) => new Linear(sizes.imageSize, dim, inner));
    const merge = (name: string): Linear[] =>
      chunkSizes.map((size, c) =>
        this.child(`${name}.${c}`, (inner) => new Linear(size, size * rank, inner)),
      );
    this.mergeLinears0 = merge('merge_linears0');
    this.mergeLinears1 = merge('merge_linears1');
    this.#rank = rank;
  }

  protected override join(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const t = tf.split(this.linear0.forward(text), this.chunkSizes, 1);
    const i = tf.split(this.linear1.forward(image), this.chunkSizes, 1);
    const chunks = this.chunkSizes.map((_, c) => {
      const ofText = this.mergeLinears0[c]!.forward(t[c]!); // [batch, rank * size]
      return powerNormal(
        sumRanks(tf.mul(ofText, this.mergeLinears1[c]!.forward(i[c]!)), this.#rank),
      );
    });
    return tf.concat(chunks, 1);
  }
}

/** The lengths of chunks of a vector: ceil(dim / chunks), and in the last what is left. */
function cut(dim: number, chunks: number): number[] {
  const size = Math.ceil(dim / chunks);
  const count = Math.ceil(dim / size);
  return Array.from({ length: count }, (_, c) => Math.min(size, dim - c * size));
}
