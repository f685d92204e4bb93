import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketLength } from '../../src/datasets/batchText.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { measureRows } from '../../src/datasets/rowLengths.js';
import type { RowLengths } from '../../src/datasets/rowLengths.js';
import { epochOrder, groupedOrder, sortedOrder } from '../../src/datasets/rowOrder.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { Random } from '../../src/nn/random.js';

/** Rows of 3 to 130 tokens, most of them short; a share of them lacks its picture, another its text. */
function drawn(size: number, seed = 1, noImage = 0, noText = 0): RowLengths {
  const random = new Random(seed, 'lengths');
  const kinds = Uint8Array.from({ length: size }, () => {
    const draw = random.uniform();
    return draw < noImage ? 1 : draw < noImage + noText ? 2 : 3;
  });
  const tokens = Int32Array.from(kinds, (kind) =>
    kind === 2 ? 0 : 3 + Math.floor(127 * random.uniform() ** 3),
  );
  return { tokens, kinds };
}

const slices = (order: Int32Array, batchSize: number): Int32Array[] =>
  Array.from({ length: Math.ceil(order.length / batchSize) }, (_, i) =>
    order.subarray(i * batchSize, (i + 1) * batchSize),
  );

const paddedTokens = (order: Int32Array, { tokens }: RowLengths, batchSize: number): number =>
  slices(order, batchSize)
    .map((rows) => rows.length * Math.max(...rows.map((row) => tokens[row]!)))
    .reduce((sum, length) => sum + length, 0);

describe('groupedOrder', () => {
  it('has every row once, and depends on nothing but seed, epoch and lengths', () => {
    const size = fc.integer({ min: 0, max: 700 });
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 20 }), fc.nat(), fc.nat(9), (...drawnCase) => {
        const [rowCount, batchSize, seed, epoch] = drawnCase;
        const rows = drawn(rowCount, seed, 0.2, 0.1);
        const order = groupedOrder(seed, epoch, rows, batchSize);
        expect(order.toSorted()).toEqual(Int32Array.from({ length: rowCount }, (_, i) => i));
        expect(groupedOrder(seed, epoch, rows, batchSize)).toEqual(order);
      }),
      { numRuns: 60 },
    );
  });

  it('gives every epoch and seed other batches in another order', () => {
    const rows = drawn(1000);
    const composed = (seed: number, epoch: number) =>
      slices(groupedOrder(seed, epoch, rows, 10), 10).map((batch) => batch.toSorted().join());
    const first = composed(1, 0);
    for (const other of [composed(1, 1), composed(2, 0)]) {
      expect(other.filter((batch) => first.includes(batch))).toEqual([]);
    }
  });

  it('puts like lengths together, in no order of length', () => {
    const rows = drawn(3200);
    const order = groupedOrder(1, 0, rows, 16);
    const all = rows.tokens.reduce((sum, length) => sum + length, 0);
    const padding = (positions: Int32Array) => 1 - all / paddedTokens(positions, rows, 16);
    expect(padding(epochOrder(1, 0, 3200))).toBeGreaterThan(0.5);
    expect(padding(order)).toBeLessThan(0.2);
    const longest = slices(order, 16).map((batch) =>
      Math.max(...batch.map((row) => rows.tokens[row]!)),
    );
    const rises = longest.filter((length, i) => i > 0 && length > longest[i - 1]!).length;
    expect(rises / longest.length).toBeGreaterThan(0.35);
    expect(rises / longest.length).toBeLessThan(0.65);
  });

  it('leaves the last, smaller batch and few rows as they were shuffled', () => {
    const rows = drawn(333);
    expect(groupedOrder(3, 2, rows, 10).slice(330)).toEqual(epochOrder(3, 2, 333).slice(330));
    expect(groupedOrder(3, 2, drawn(79), 10)).toEqual(epochOrder(3, 2, 79));
  });

  it('spreads rows that lack an input evenly', () => {
    const rows = drawn(1600, 4, 0.3);
    const lacking = (order: Int32Array) =>
      new Set(
        slices(order, 16).map((batch) => batch.filter((row) => rows.kinds[row] === 1).length),
      );
    expect(lacking(groupedOrder(1, 0, rows, 16)).size).toBeLessThanOrEqual(3);
    expect(lacking(epochOrder(1, 0, 1600)).size).toBeGreaterThan(6);
  });
});

describe('sortedOrder', () => {
  it('has every row once, those of the same inputs together, the longest first', () => {
    const rows = drawn(100, 1, 0.2, 0.2);
    const order = sortedOrder(rows);
    expect(order.toSorted()).toEqual(Int32Array.from({ length: 100 }, (_, i) => i));
    const keys = [...order].map((row) => rows.kinds[row]! * 1000 + rows.tokens[row]!);
    expect(keys).toEqual(keys.toSorted((a, b) => b - a));
  });
});

describe('measureRows', () => {
  it('counts the tokens that a batch will hold, and what each row has', async () => {
    const tokenizer = await BertTokenizer.fromVocab(['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a']);
    const examples = [
      { text: 'a a a' },
      { image: 'x.jpg' },
      { text: 'a', image: 'y.jpg' },
      { text: 'a '.repeat(40) },
      ...Array.from({ length: 600 }, () => ({ text: 'a b' })),
    ];
    const rows = await measureRows(datasetFrom(examples), tokenizer, { maxLength: 20 });
    expect([...rows.tokens.slice(0, 5)]).toEqual([5, 0, 3, 20, 4]);
    expect(rows.tokens.subarray(4).every((length) => length === 4)).toBe(true);
    expect([...rows.kinds.slice(0, 4)]).toEqual([1, 2, 3, 1]);
  });

  it('stops at its signal', async () => {
    const tokenizer = await BertTokenizer.fromVocab(['[PAD]', '[UNK]', '[CLS]', '[SEP]']);
    const signal = AbortSignal.abort(new Error('enough'));
    const measured = measureRows(datasetFrom([{ text: 'a' }]), tokenizer, { signal });
    await expect(measured).rejects.toThrow('enough');
  });
});

describe('bucketLength', () => {
  it('knows few lengths, and wastes little', () => {
    const lengths = Array.from({ length: 512 }, (_, i) => i + 1);
    const buckets = lengths.map(bucketLength);
    expect(new Set(buckets).size).toBe(20);
    buckets.forEach((bucket, i) => {
      expect(bucket).toBeGreaterThanOrEqual(lengths[i]!);
      expect(bucket - lengths[i]!).toBeLessThan(Math.max(8, lengths[i]! / 4));
    });
  });
});
