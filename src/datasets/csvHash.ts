import { finalize } from '../nn/random.js';
import type { Dataset } from './example.js';

/**
 * A 53-bit hash of a list of strings, some of which may be absent: an integer that a number holds
 * exactly. Among a million rows the chance of any two sharing one by accident is 1 in 18 000.
 */
export function hashStrings(...parts: readonly (string | undefined)[]): number {
  let low = 0x2545f491;
  let high = 0x9e3779b9;
  for (const part of parts) {
    const length = part?.length ?? -1;
    for (let i = 0; i < length; i++) {
      const unit = part!.charCodeAt(i);
      low = step(low, unit, 0xcc9e2d51);
      high = step(high, unit, 0x1b873593);
    }
    low = step(low, length, 0x85ebca6b);
    high = step(high, length, 0xc2b2ae35);
  }
  const lowWord = finalize(low ^ high) >>> 0;
  const highWord = finalize(high + Math.imul(lowWord, 0x9e3779b1)) & 0x1fffff;
  return highWord * 2 ** 32 + lowWord;
}

function step(hash: number, word: number, factor: number): number {
  const mixed = Math.imul(hash ^ word, factor);
  return ((mixed << 13) | (mixed >>> 19)) + 0x52dce729;
}

/**
 * A set of non-negative integers below 2^53, 8 to 16 bytes each: open addressing in a typed array.
 */
export class KeySet {
  #slots = new Float64Array(16).fill(-1);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(key: number): void {
    if (2 * this.#size >= this.#slots.length) this.#grow();
    const slot = this.#find(key);
    if (this.#slots[slot] === key) return;
    this.#slots[slot] = key;
    this.#size++;
  }

  has(key: number): boolean {
    return this.#slots[this.#find(key)] === key;
  }

  #find(key: number): number {
    const mask = this.#slots.length - 1;
    let slot = (key % 2 ** 32) & mask;
    while (this.#slots[slot] !== -1 && this.#slots[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Float64Array(2 * old.length).fill(-1);
    for (const key of old) if (key !== -1) this.#slots[this.#find(key)] = key;
  }
}

/**
 * How many rows of `validation` also occur in `train`, text and picture (by its path) both equal. A
 * score on such rows says how well the model remembers. Data sets that cannot tell (no `keyOf`)
 * count 0.
 */
export function duplicateRows(train: Dataset, validation: Dataset): number {
  const known = new KeySet();
  for (const key of keysOf(train)) known.add(key);
  let count = 0;
  for (const key of keysOf(validation)) if (known.has(key)) count++;
  return count;
}

function* keysOf(dataset: Dataset): Generator<number> {
  if (!dataset.keyOf) return;
  for (let position = 0; position < dataset.size; position++) {
    const key = dataset.keyOf(position);
    if (key !== undefined) yield key;
  }
}
