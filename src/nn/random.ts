import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/**
 * A 32-bit hash of a list of integers and strings (MurmurHash3's 32-bit mixing).
 *
 * Random numbers in this library are functions of their position: a key such as (seed, epoch, row)
 * names a stream, so that a resumed run and an uninterrupted one draw the same numbers with no state to save.
 */
export function hashKey(...words: readonly (number | string)[]): number {
  let hash = 0x9747b28c;
  for (const word of words) {
    if (typeof word === 'number') {
      hash = mix(hash, word | 0);
      hash = mix(hash, Math.floor(word / 2 ** 32) | 0);
    } else {
      for (let i = 0; i < word.length; i++) hash = mix(hash, word.charCodeAt(i));
      hash = mix(hash, word.length);
    }
  }
  return finalize(hash) >>> 0;
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** MurmurHash3's final avalanche: every input bit changes every output bit with probability one half. */
export function finalize(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A seeded stream of random numbers (xoroshiro128+, Blackman and Vigna 2018). */
export class Random {
  readonly #generator: RandomGenerator;
  #spare: number | undefined;

  /** What names the stream. */
  readonly key: readonly (number | string)[];

  /** @param key what names the stream: a seed, then whatever tells this stream from its siblings. */
  constructor(...key: readonly (number | string)[]) {
    this.key = key;
    this.#generator = xoroshiro128plus(hashKey(...key));
  }

  /** The next number, uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * ((this.#generator.next() >>> 0) / 2 ** 32);
  }

  /** The next integer, uniform in 0 ... count - 1. */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** The next normal number (the polar method of Marsaglia and Bray, 1964). */
  normal(mean = 0, deviation = 1): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return mean + deviation * spare;
    }
    for (;;) {
      const x = this.uniform(-1, 1);
      const y = this.uniform(-1, 1);
      const s = x * x + y * y;
      if (s === 0 || s >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(s)) / s);
      this.#spare = y * scale;
      return mean + deviation * x * scale;
    }
  }

  /** The integers 0 ... count - 1 in random order (Fisher and Yates). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const swap = order[i]!;
      order[i] = order[j]!;
      order[j] = swap;
    }
    return order;
  }
}
