import type * as v from 'valibot';
import { InputError } from '../errors.js';
import type { Scope } from '../nn/module.js';
import { parseOptions } from '../schema.js';
import type { OptionsSchema } from '../schema.js';
import { AttentionFusion, OriginalAttentionFusion } from './attention.js';
import { BlockFusion } from './block.js';
import { BottleneckFusion } from './bottleneck.js';
import { CnnFusion } from './cnn.js';
import { ConcatFusion } from './concat.js';
import { CrossAttentionFusion } from './crossAttention.js';
import { EvidentialFusion } from './evidential.js';
import { FilmFusion } from './film.js';
import type { Fusion, FusionConfig, FusionSizes } from './fusion.js';
import { GatedResidualFusion } from './gatedResidual.js';
import { GmuFusion } from './gmu.js';
import { LateFusion } from './late.js';
import { LateLearnedFusion } from './lateLearned.js';
import { LateMeanFusion } from './lateMean.js';
import { LowRankFusion } from './lowRank.js';
import { MaxFusion } from './max.js';
import { MfbFusion } from './mfb.js';
import { MfhFusion } from './mfh.js';
import { MlbFusion } from './mlb.js';
import { MlpFusion } from './mlp.js';
import { MmbtFusion } from './mmbt.js';
import { MutanFusion } from './mutan.js';
import { ProductFusion } from './product.js';
import { ProductOfExpertsFusion } from './productOfExperts.js';
import { QmfFusion } from './qmf.js';
import { SqueezeExcitationFusion } from './squeezeExcitation.js';
import { SumFusion } from './sum.js';
import { TensorFusion } from './tensorFusion.js';
import { TransformerFusion } from './transformer.js';

/** Makes a fusion: `config` holds its type and the options that were given beside it. */
export type FusionFactory = (sizes: FusionSizes, scope: Scope, config: FusionConfig) => Fusion;

/** A fusion that is registered. */
interface Entry {
  readonly make: FusionFactory;
  /** Checks the options of a configuration and fills in their defaults, where they are known. */
  readonly complete?: (config: FusionConfig) => FusionConfig;
}

/** A class of fusions, and the options that its constructor reads in its configuration. */
interface FusionClass<S extends OptionsSchema> {
  readonly options: S;
  new (sizes: FusionSizes, scope: Scope, config: FusionConfig & v.InferOutput<S>): Fusion;
}

function entry<S extends OptionsSchema>(Class: FusionClass<S>): Entry {
  const complete = ({ type, ...options }: FusionConfig): FusionConfig & v.InferOutput<S> => ({
    type,
    ...parseOptions(`fusion '${type}'`, Class.options, options),
  });
  return { make: (sizes, scope, config) => new Class(sizes, scope, complete(config)), complete };
}

const registry = new Map<string, Entry>([
  ['mlp', entry(MlpFusion)],
  ['concat', entry(ConcatFusion)],
  ['cnn', entry(CnnFusion)],
  ['attention', entry(AttentionFusion)],
  ['attention-original', entry(OriginalAttentionFusion)],
  ['sum', entry(SumFusion)],
  ['product', entry(ProductFusion)],
  ['max', entry(MaxFusion)],
  ['gmu', entry(GmuFusion)],
  ['gated-residual', entry(GatedResidualFusion)],
  ['film', entry(FilmFusion)],
  ['mlb', entry(MlbFusion)],
  ['mfb', entry(MfbFusion)],
  ['mfh', entry(MfhFusion)],
  ['mutan', entry(MutanFusion)],
  ['block', entry(BlockFusion)],
  ['tensor-fusion', entry(TensorFusion)],
  ['low-rank', entry(LowRankFusion)],
  ['squeeze-excitation', entry(SqueezeExcitationFusion)],
  ['cross-attention', entry(CrossAttentionFusion)],
  ['transformer', entry(TransformerFusion)],
  ['mmbt', entry(MmbtFusion)],
  ['bottleneck', entry(BottleneckFusion)],
  ['late', entry(LateFusion)],
  ['late-mean', entry(LateMeanFusion)],
  ['late-learned', entry(LateLearnedFusion)],
  ['product-of-experts', entry(ProductOfExpertsFusion)],
  ['qmf', entry(QmfFusion)],
  ['evidential', entry(EvidentialFusion)],
]);

/**
 * Makes a fusion available by name, to models that are constructed and to those that are loaded.
 *
 * @throws InputError where the name is taken.
 */
export function registerFusion(type: string, factory: FusionFactory): void {
  if (registry.has(type)) {
    throw new InputError(`registerFusion: '${type}' is registered already; choose another name`);
  }
  registry.set(type, { make: factory });
}

/** The names that `createFusion` knows. */
export function fusionTypes(): string[] {
  return [...registry.keys()];
}

/**
 * Makes a fusion of a registered name, or of `{ type, ...options }`.
 *
 * @throws InputError listing the known names, or naming every option that is unknown or out of its range.
 */
export function createFusion(
  config: string | FusionConfig,
  sizes: FusionSizes,
  scope: Scope = {},
): Fusion {
  return entryOf(config).make(sizes, scope, asConfig(config));
}

/**
 * Refuses a fusion whose name or options `createFusion` would refuse, before anything is made. What is registered by
 * `registerFusion` checks its own options when it is made.
 *
 * @throws InputError listing the known names, or naming every option that is unknown or out of its range.
 */
export function checkFusion(config: string | FusionConfig): void {
  entryOf(config).complete?.(asConfig(config));
}

function asConfig(config: string | FusionConfig): FusionConfig {
  return typeof config === 'string' ? { type: config } : config;
}

function entryOf(config: string | FusionConfig): Entry {
  const { type } = asConfig(config);
  if (typeof type !== 'string') {
    throw new InputError(
      `fusion: options need the fusion's name as well, as in {"type":"gmu"}, got ${JSON.stringify(config)}`,
    );
  }
  const found = registry.get(type);
  if (found !== undefined) return found;
  throw new InputError(
    `fusion: unknown type '${type}'; known are ${fusionTypes().join(', ')}, and more by registerFusion`,
  );
}
