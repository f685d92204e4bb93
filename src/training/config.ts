import * as tf from '@tensorflow/tfjs-core';
import type { Dataset } from '../datasets/example.js';
import type { ModelDefaults } from './defaults.js';
import { trainingOptionNames } from './options.js';
import type { TrainingOptions } from './options.js';
import type { RunPlan } from './plan.js';

/**
 * A run's config.json: all that is needed to run it again.
 *
 * @param defaults what of the options was chosen by the model
 */
export function configOf(plan: RunPlan, defaults: ModelDefaults = {}): Record<string, unknown> {
  const { model, options, train, validation, mode, identity } = plan;
  const { outputDir: _, resume: __, overwrite: ___, record, cacheFeatures, ...training } = options;
  return {
    formatVersion: 1,
    ...record,
    mode,
    model: model.config,
    // Its folder is a place of this machine.
    training: { ...training, cacheFeatures: cacheFeatures !== false },
    defaults,
    train: described(train, identity['train']),
    validation: validation === undefined ? null : described(validation, identity['validation']),
    backend: tf.getBackend(),
  };
}

/** The options that a run began with, of its config.json; undefined where there are none. */
export function trainingOf(config: object | undefined): TrainingOptions | undefined {
  const { training } = (config ?? {}) as { readonly training?: Record<string, unknown> };
  if (training === undefined) return undefined;
  const known = trainingOptionNames.filter((name) => (training[name] ?? null) !== null);
  return Object.fromEntries(known.map((name) => [name, training[name]]));
}

/** The config.json of a run that goes on to another number of epochs. */
export function withEpochs(config: object, epochs: number): object {
  const { training, defaults } = config as Record<'training' | 'defaults', object | undefined>;
  // Who has chosen the epochs by now has not left them to the model.
  const { epochs: _, ...chosen } = (defaults ?? {}) as ModelDefaults;
  return { ...config, training: { ...training, epochs }, defaults: chosen };
}

function described({ name, size, labels }: Dataset, fingerprint: unknown): Record<string, unknown> {
  return { name, size, labels, fingerprint };
}
