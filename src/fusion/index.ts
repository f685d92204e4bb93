import { InputError } from '../errors.js';
import type { Scope } from '../nn/module.js';
import { AttentionFusion, OriginalAttentionFusion } from './attention.js';
import { CnnFusion } from './cnn.js';
import type { Fusion, FusionConfig, FusionSizes } from './fusion.js';
import { LateFusion } from './late.js';
import { MlpFusion } from './mlp.js';

/** Makes a fusion: `config` holds its type and the options that were given beside it. */
export type FusionFactory = (sizes: FusionSizes, scope: Scope, config: FusionConfig) => Fusion;

const registry = new Map<string, FusionFactory>([
  ['mlp', (sizes, scope) => new MlpFusion(sizes, scope)],
  ['cnn', (sizes, scope) => new CnnFusion(sizes, scope)],
  ['attention', (sizes, scope) => new AttentionFusion(sizes, scope)],
  ['late', (sizes, scope) => new LateFusion(sizes, scope)],
  ['attention-original', (sizes, scope) => new OriginalAttentionFusion(sizes, scope)],
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
  registry.set(type, factory);
}

/** The names that `createFusion` knows. */
export function fusionTypes(): string[] {
  return [...registry.keys()];
}

/**
 * Makes a fusion of a registered name, or of `{ type, ...options }`.
 *
 * @throws InputError listing the known names.
 */
export function createFusion(
  config: string | FusionConfig,
  sizes: FusionSizes,
  scope: Scope = {},
): Fusion {
  return requireFusion(config)(
    sizes,
    scope,
    typeof config === 'string' ? { type: config } : config,
  );
}

/** The maker of a fusion. @throws InputError listing the known names */
export function requireFusion(config: string | FusionConfig): FusionFactory {
  const type = typeof config === 'string' ? config : config.type;
  const factory = registry.get(type);
  if (factory !== undefined) return factory;
  throw new InputError(
    `fusion: unknown type '${type}'; known are ${fusionTypes().join(', ')}, and more by registerFusion`,
  );
}
