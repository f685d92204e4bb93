import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import { InputError } from '../errors.js';
import { aboveZero, belowOne, integer, parseOptions } from '../schema.js';
import { dropout } from './dropout.js';
import type { ForwardContext } from './dropout.js';
import { constant, defaultUniform } from './initializers.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import type { Scope } from './module.js';

/** What low-rank adapters are like; the defaults are peft's. */
export interface LoraOptions {
  /** The rank of what is added to a weight (default 8). */
  readonly r?: number;
  /** What is added is multiplied by `alpha / r` (default 8). */
  readonly alpha?: number;
  /** The dropout rate of what enters an adapter (default 0). */
  readonly dropout?: number;
  /**
   * The linear layers that get one, by the end of their names (default `['query', 'value']`): `key`, `dense`,
   * `attention.output.dense` and so on.
   */
  readonly targetModules?: readonly string[];
}

/** {@link LoraOptions} with every default filled in. */
export type LoraConfig = Required<LoraOptions>;

/** The schema of {@link LoraOptions}. */
export const loraEntries = {
  r: v.optional(integer(1), 8),
  alpha: v.optional(aboveZero, 8),
  dropout: v.optional(belowOne, 0),
  targetModules: v.optional(
    v.pipe(v.array(v.pipe(v.string(), v.nonEmpty())), v.nonEmpty()),
    (): string[] => ['query', 'value'],
  ),
};

/**
 * A term of low rank beside a linear layer (LoRA; Hu et al., 2021): x goes to x A^T B^T alpha / r, with A [r, in] and B
 * [out, r], which begins as zero. The names are peft's: `lora_A.default.weight`, `lora_B.default.weight`.
 */
export class LoraAdapter extends Module {
  readonly a: tf.Variable;
  readonly b: tf.Variable;
  readonly scale: number;
  readonly #dropout: number;
  /** The layer's own weight while this term is in it. */
  #merged: tf.Tensor | undefined;

  constructor(
    { inFeatures, outFeatures }: Linear,
    readonly config: LoraConfig,
    scope: Scope = {},
  ) {
    // An encoder whose weights were loaded initialises nothing of its own; this one is loaded from nowhere.
    super({ ...scope, initialize: true });
    const { r, alpha } = config;
    const initial = defaultUniform(inFeatures);
    this.a = this.parameter('lora_A.default.weight', [r, inFeatures], initial);
    this.b = this.parameter('lora_B.default.weight', [outFeatures, r], constant(0));
    this.scale = alpha / r;
    this.#dropout = config.dropout;
  }

  /** What is added to the layer's result: [rows, in] to [rows, out]; undefined while it is in the weight. */
  forward(x: tf.Tensor2D, context: ForwardContext = { training: false }): tf.Tensor2D | undefined {
    if (this.#merged !== undefined) return undefined;
    const low = tf.matMul(dropout(x, this.#dropout, context), this.a as tf.Tensor2D, false, true);
    const high = tf.matMul(low, this.b as tf.Tensor2D, false, true);
    return tf.mul<tf.Tensor2D>(high, this.scale);
  }

  /** Adds the term to a weight [out, in], and nothing to what the layer gives from then on. */
  merge(weight: tf.Variable): void {
    if (this.#merged !== undefined) return;
    this.#merged = tf.clone(weight);
    tf.tidy(() => {
      const change = tf.mul(tf.matMul(this.b as tf.Tensor2D, this.a as tf.Tensor2D), this.scale);
      weight.assign(tf.add(weight, change));
    });
  }

  /** Puts the weight back to what it was before `merge`. */
  unmerge(weight: tf.Variable): void {
    if (this.#merged === undefined) return;
    weight.assign(this.#merged);
    this.#forget();
  }

  override dispose(): void {
    super.dispose();
    this.#forget();
  }

  #forget(): void {
    this.#merged?.dispose();
    this.#merged = undefined;
  }
}

/** The layers of a module that have an adapter, by name. */
export function adaptedLayers(module: Module): Map<string, Linear & { adapter: LoraAdapter }> {
  const layers = [...module.namedModules()].filter(
    (entry): entry is [string, Linear & { adapter: LoraAdapter }] =>
      entry[1] instanceof Linear && entry[1].adapter !== undefined,
  );
  return new Map(layers);
}

/**
 * Gives linear layers of an encoder low-rank adapters, which begin as nothing: what the encoder computes stays the same.
 * From then on only the adapters of the encoder are trained; its state dict holds their parameters beside its own.
 *
 * This is for loops of one's own; the trainer's option `lora` does it, merges at the end, and puts back what was
 * trained before.
 *
 * @throws InputError where an option is out of its range, a target names no linear layer, or there are adapters already.
 */
export function addLora(encoder: Module, options: LoraOptions = {}): void {
  const config: LoraConfig = parseOptions('lora', v.strictObject(loraEntries), options);
  if (adaptedLayers(encoder).size > 0) {
    throw new InputError(
      'lora: an encoder must have no adapters yet, but it has; merge them first (mergeLora)',
    );
  }
  const layers = targetsOf(encoder, config.targetModules);
  encoder.frozen = false; // a frozen encoder would evaluate, and give its adapters no gradient
  for (const variable of encoder.namedParameters().values()) variable.trainable = false;
  for (const layer of layers) layer.adapt((scope) => new LoraAdapter(layer, config, scope));
}

function targetsOf(encoder: Module, targets: readonly string[]): Linear[] {
  const linears = [...encoder.namedModules()].filter(
    (entry): entry is [string, Linear] => entry[1] instanceof Linear,
  );
  const ends = (name: string, target: string): boolean =>
    name === target || name.endsWith(`.${target}`);
  const unknown = targets.find((target) => !linears.some(([name]) => ends(name, target)));
  if (unknown !== undefined) {
    const known = [...new Set(linears.map(([name]) => name.split('.').at(-1)!))];
    throw new InputError(
      `lora: targetModules must end the names of linear layers of the encoder, got '${unknown}'; ` +
        `these are ${known.join(', ')}, or longer ends of names such as attention.output.dense`,
    );
  }
  return linears
    .filter(([name]) => targets.some((target) => ends(name, target)))
    .map(([, layer]) => layer);
}

/**
 * Adds what the adapters of an encoder have learned to its weights, and removes them: it computes the same, and its
 * state dict has the names that it had. Without adapters nothing happens.
 */
export function mergeLora(encoder: Module): void {
  for (const { weight, adapter } of adaptedLayers(encoder).values()) adapter.merge(weight);
  removeLora(encoder);
}

/** Removes the adapters of an encoder, and with them what they have learned. */
export function removeLora(encoder: Module): void {
  for (const layer of adaptedLayers(encoder).values()) layer.dropAdapter();
}

/** Computes something while what adapters have learned is in the weights of their layers. */
export function whileMerged<T>(module: Module, compute: () => T): T {
  const layers = [...adaptedLayers(module).values()];
  try {
    for (const { weight, adapter } of layers) adapter.merge(weight);
    return compute();
  } finally {
    for (const { weight, adapter } of layers) adapter.unmerge(weight);
  }
}

/** The state dict of a module with its adapters merged into its weights, under the names that it has without them. */
export function mergedState(module: Module): Record<string, tf.Tensor> {
  const state = whileMerged(module, () => module.stateDict());
  for (const [layer, { adapter }] of adaptedLayers(module)) {
    for (const name of adapter.namedParameters().keys()) {
      state[`${layer}.${name}`]!.dispose();
      delete state[`${layer}.${name}`];
    }
  }
  return state;
}
