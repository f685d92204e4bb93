import type { ImageSource } from '../datasets/example.js';
import type { ImageEncoder, TextEncoder } from '../encoders/encoder.js';
import { unavailable } from '../unavailable.browser.js';

/** The key of a text. */
export function textKey(_text: string): string {
  throw unavailable('features', 'cacheFeatures');
}

/** The key of a picture: that of its file's bytes, or of its pixels. */
export async function imageKey(_source: ImageSource): Promise<string> {
  throw unavailable('features', 'cacheFeatures');
}

/** A SHA-256 of an encoder's configuration and of every weight and statistic, in hexadecimal. */
export async function hashEncoder(_encoder: TextEncoder | ImageEncoder): Promise<string> {
  throw unavailable('features', 'cacheFeatures');
}

/** A SHA-256 of JSON values, in hexadecimal. */
export function hashJson(..._values: readonly unknown[]): string {
  throw unavailable('features', 'cacheFeatures');
}

/** The folder of the features that `cacheFeatures` asks for. */
export function featureFolder(_asked: true | string): string {
  throw unavailable('features', 'cacheFeatures');
}
