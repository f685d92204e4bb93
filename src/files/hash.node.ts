import { createHash } from 'node:crypto';
import type { Hash } from './hash.js';

/** A SHA-256 of what it is fed. */
export function sha256(): Hash {
  return createHash('sha256');
}
