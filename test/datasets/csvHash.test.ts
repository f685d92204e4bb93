import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashStrings, KeySet } from '../../src/datasets/csvHash.js';

describe('hashStrings', () => {
  it('is an integer below 2^53 that tells apart what is near', () => {
    const lists = [
      [],
      [''],
      [undefined],
      ['', ''],
      ['a'],
      ['a', ''],
      ['', 'a'],
      ['a', undefined],
      [undefined, 'a'],
      ['ab'],
    ];
    const hashes = lists.map((list) => hashStrings(...list));
    expect(new Set(hashes).size).toBe(lists.length);
    expect(hashes.every((hash) => Number.isSafeInteger(hash) && hash >= 0)).toBe(true);
  });

  it('has no collision among many similar strings, and uses all its bits', () => {
    const hashes = new Set<number>();
    const ones = Array.from({ length: 53 }, () => 0);
    const count = 200_000;
    for (let i = 0; i < count; i++) {
      const hash = hashStrings(`text ${i}`, `/data/img/${i % 1000}.jpg`);
      hashes.add(hash);
      for (let bit = 0; bit < 53; bit++) ones[bit]! += Math.floor(hash / 2 ** bit) % 2;
    }
    expect(hashes.size).toBe(count);
    for (const one of ones) expect(Math.abs(one / count - 0.5)).toBeLessThan(0.01);
  });
});

describe('KeySet', () => {
  it('holds what a Set holds', () => {
    const keys = fc.array(
      fc.oneof(
        fc.nat(40),
        fc.maxSafeNat(),
        fc.nat(40).map((n) => n * 2 ** 32),
      ),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(keys, keys, (added, asked) => {
        const set = new KeySet();
        for (const key of added) set.add(key);
        expect(set.size).toBe(new Set(added).size);
        expect([...added, ...asked].map((key) => set.has(key))).toEqual(
          [...added, ...asked].map((key) => added.includes(key)),
        );
      }),
    );
  });
});
