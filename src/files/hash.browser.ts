import { sha256 as noble } from '@noble/hashes/sha2.js';
import type { Hash } from './hash.js';

/** A SHA-256 of what it is fed: the browser's own takes no pieces. */
export function sha256(): Hash {
  const state = noble.create();
  const encoder = new TextEncoder();
  const hash: Hash = {
    update(part) {
      if (typeof part === 'string') state.update(encoder.encode(part));
      else state.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
      return this;
    },
    digest: () => state.digest(),
  };
  return hash;
}
