import type { Random } from '../nn/random.js';

/** Another row of the same kind for each row (the row itself where it is the only one). */
export function partnersOf(kinds: readonly (number | string)[], random: Random): Int32Array {
  const partners = new Int32Array(kinds.length);
  const order = random.permutation(kinds.length);
  for (const kind of new Set(kinds)) {
    const group = order.filter((row) => kinds[row] === kind);
    group.forEach((row, i) => (partners[row] = group[(i + 1) % group.length]!));
  }
  return partners;
}
