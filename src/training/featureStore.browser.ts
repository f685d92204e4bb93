import { unavailable } from '../unavailable.browser.js';
import type { FeatureSpace } from './featureSpace.js';

/** Feature vectors by the content that they were computed of. */
export class FeatureStore {
  static async open(
    _folder: string,
    _space: FeatureSpace,
    _onDamage: (problem: string) => void,
  ): Promise<FeatureStore> {
    throw unavailable('features', 'cacheFeatures');
  }

  find(_key: string): number | undefined {
    throw unavailable('features', 'cacheFeatures');
  }

  async add(_key: string, _values: Float32Array): Promise<void> {
    throw unavailable('features', 'cacheFeatures');
  }

  async flush(): Promise<void> {}

  async finish(): Promise<void> {}

  async read(_entry: number): Promise<Float32Array> {
    throw unavailable('features', 'cacheFeatures');
  }

  async close(): Promise<void> {}
}
