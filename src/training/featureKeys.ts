import * as tf from '@tensorflow/tfjs-core';
import type { ImageSource } from '../datasets/example.js';
import { contentOf } from '../datasets/image.node.js';
import type { ImageEncoder, TextEncoder } from '../encoders/encoder.js';
import { hex } from '../files/hash.js';
import { sha256 } from '../files/hash.node.js';

/** The bytes of a key. */
export const keyBytes = 16;

/** The key of a text: the first bytes of its SHA-256, a character each. */
export function textKey(text: string): string {
  return keyOf([text]);
}

/** The key of a picture: that of its file's bytes, or of its pixels. */
export async function imageKey(source: ImageSource): Promise<string> {
  return keyOf(await contentOf(source));
}

function keyOf(content: readonly (string | Uint8Array)[]): string {
  const hash = sha256();
  for (const part of content) hash.update(part);
  return String.fromCharCode(...hash.digest().subarray(0, keyBytes));
}

/**
 * A SHA-256 of an encoder's configuration and of every weight and statistic, in hexadecimal. Its family is what
 * `config.modelType` says: names of classes change when a program is built.
 */
export async function hashEncoder(encoder: TextEncoder | ImageEncoder): Promise<string> {
  const hash = sha256();
  hash.update(JSON.stringify([encoder.config, encoder.featureSize]));
  const state = encoder.stateDict();
  try {
    for (const [name, tensor] of Object.entries(state)) {
      const values = await tensor.data();
      hash.update(`${name} ${tensor.shape.join(' ')}\n`);
      hash.update(values);
    }
  } finally {
    tf.dispose(state);
  }
  return hex(hash.digest());
}

/** A SHA-256 of JSON values, in hexadecimal. */
export function hashJson(...values: readonly unknown[]): string {
  return hex(sha256().update(JSON.stringify(values)).digest());
}
