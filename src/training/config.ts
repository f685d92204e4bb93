import * as tf from '@tensorflow/tfjs-core';
import type { Dataset } from '../datasets/example.js';
import type { RunPlan } from './plan.js';

/** A run's config.json: all that is needed to run it again. */
export function configOf(plan: RunPlan): Record<string, unknown> {
  const { model, options, train, validation, mode, identity } = plan;
  const { outputDir: _, resume: __, overwrite: ___, record, cacheFeatures, ...training } = options;
  return {
    formatVersion: 1,
    ...record,
    mode,
    model: model.config,
    // Its folder is a place of this machine.
    training: { ...training, cacheFeatures: cacheFeatures !== false },
    train: described(train, identity['train']),
    validation: validation === undefined ? null : described(validation, identity['validation']),
    backend: tf.getBackend(),
  };
}

function described({ name, size, labels }: Dataset, fingerprint: unknown): Record<string, unknown> {
  return { name, size, labels, fingerprint };
}
