import type { Dataset } from '../datasets/example.js';
import type { FeatureReader, KnownFeatures } from '../datasets/features.js';
import type { BertResNetModel } from '../model.js';
import type { Input } from './cachedInputs.js';
import { FeatureCache } from './featureCache.js';
import type { CacheOptions } from './featureCache.js';

/** The features of some data sets, which can be read until they are closed. */
export interface CachedFeatures {
  /** Those of each data set, in their order. */
  readonly of: readonly KnownFeatures[];
  close(): Promise<void>;
}

/** Reads from the cache what frozen encoders compute of rows; what is missing there is computed and kept. */
export async function cachedFeatures(
  model: BertResNetModel,
  inputs: readonly Input[],
  datasets: readonly Dataset[],
  options: CacheOptions,
): Promise<CachedFeatures> {
  const of = datasets.map((): Partial<Record<Input, FeatureReader>> => ({}));
  const caches: FeatureCache[] = [];
  const close = async (): Promise<void> => {
    for (const cache of caches.splice(0)) await cache.close();
  };
  try {
    for (const input of inputs) {
      const cache = await FeatureCache.open(model, input, options);
      caches.push(cache);
      for (const [i, dataset] of datasets.entries()) of[i]![input] = await cache.fill(dataset);
      await cache.finish();
    }
    return { of, close };
  } catch (error) {
    await close();
    throw error;
  }
}
