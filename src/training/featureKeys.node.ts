import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageSource } from '../datasets/example.js';
import { contentOf } from '../datasets/image.node.js';
import type { ImageEncoder, TextEncoder } from '../encoders/encoder.js';

/** The key of a text: 16 bytes of its SHA-256, a character each. */
export function textKey(text: string): string {
  return keyOf([text]);
}

/** The key of a picture: that of its file's bytes, or of its pixels. */
export async function imageKey(source: ImageSource): Promise<string> {
  return keyOf(await contentOf(source));
}

function keyOf(content: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of content) hash.update(part);
  return hash.digest().toString('latin1', 0, 16);
}

/** A SHA-256 of an encoder's configuration and of every weight and statistic, in hexadecimal. */
export async function hashEncoder(encoder: TextEncoder | ImageEncoder): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([encoder.constructor.name, encoder.config, encoder.featureSize]));
  const state = encoder.stateDict();
  try {
    for (const [name, tensor] of Object.entries(state)) {
      const values = await tensor.data();
      hash.update(`${name} ${tensor.shape.join(' ')}\n`);
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  } finally {
    tf.dispose(state);
  }
  return hash.digest('hex');
}

/** A SHA-256 of JSON values, in hexadecimal. */
export function hashJson(...values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

/** The folder of the features that `cacheFeatures` asks for; by default one that all runs share. */
export function featureFolder(asked: true | string): string {
  if (asked !== true) return resolve(asked);
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'bertresnet', 'features');
}
