import { Random } from '../nn/random.js';
import type { RowLengths } from './rowLengths.js';

/**
 * The order of the rows in an epoch: a permutation of 0 ... size - 1 that depends on the seed and
 * the epoch alone.
 */
export function epochOrder(seed: number, epoch: number, size: number): Int32Array {
  return new Random(seed, 'shuffle', epoch).permutation(size);
}

/**
 * How many batches are sorted together at most: what stays random is which rows these are. More of them save little
 * padding, and batches of rows that are too much alike teach less: with 50, or a quarter of the rows, a fine-tuned model
 * answers its validation rows worse at the same training loss (`npm run bench:mvsa`).
 */
const batchesSorted = 8;

/**
 * The order of the rows in an epoch where a batch is to hold texts of like length: that of
 * `epochOrder`, cut into parts of up to 8 batches (a quarter of the rows at most), each of them
 * sorted; then the batches in random order. It depends on the seed, the epoch and the lengths
 * alone. Fewer than eight batches are left as they were shuffled; the rows of a last, smaller batch
 * are drawn from all.
 *
 * Rows that lack an input are spread evenly over the batches, so that there are few different ones
 * for an engine to compile.
 */
export function groupedOrder(
  seed: number,
  epoch: number,
  rows: RowLengths,
  batchSize: number,
): Int32Array {
  const size = rows.tokens.length;
  const shuffled = epochOrder(seed, epoch, size);
  const together = Math.min(batchesSorted, Math.floor(size / (4 * batchSize)));
  if (together < 2) return shuffled;
  const even = spreadKinds(shuffled, rows.kinds);
  const count = Math.floor(size / batchSize);
  const sorted = sortParts(even.subarray(0, count * batchSize), together * batchSize, rows);
  const order = even.slice();
  new Random(seed, 'batches', epoch).permutation(count).forEach((batch, i) => {
    order.set(sorted.subarray(batch * batchSize, (batch + 1) * batchSize), i * batchSize);
  });
  return order;
}

function sortParts(order: Int32Array, length: number, { tokens, kinds }: RowLengths): Int32Array {
  const sorted = new Int32Array(order.length);
  for (let start = 0; start < order.length; start += length) {
    // A stable sort: rows of equal length stay in random order.
    const part = order.slice(start, start + length).sort((a, b) => tokens[a]! - tokens[b]!);
    sorted.set(spreadKinds(part, kinds), start);
  }
  return sorted;
}

/** Merges the rows of each kind, in the order that they have, so that every stretch has its share of each. */
function spreadKinds(positions: Int32Array, kinds: Uint8Array): Int32Array {
  const counts = new Map<number, number>();
  const places = Array.from(positions, (position) => {
    const place = counts.get(kinds[position]!) ?? 0;
    counts.set(kinds[position]!, place + 1);
    return place;
  });
  const ranks = places.map((place, i) => (place + 0.5) / counts.get(kinds[positions[i]!]!)!);
  const order = Int32Array.from(positions.keys()).sort((a, b) => ranks[a]! - ranks[b]!);
  return order.map((i) => positions[i]!);
}

/**
 * The positions of all rows where their order does not matter: those of the same inputs together,
 * and the longest texts first, so that what does not fit in memory shows at once.
 */
export function sortedOrder({ tokens, kinds }: RowLengths): Int32Array {
  const order = Int32Array.from(tokens.keys());
  return order.sort((a, b) => kinds[b]! - kinds[a]! || tokens[b]! - tokens[a]! || a - b);
}
