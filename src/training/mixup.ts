import { Random } from '../nn/random.js';
import { partnersOf } from './partners.js';

/**
 * A mixing matrix [rows, rows] for one step of mixup: row i keeps a share of at least one half of
 * itself and takes the rest of another row, the share drawn from Beta(alpha, alpha) for each row.
 * Features and targets of a batch are multiplied by it: manifold mixup at the fusion's input (Zhang
 * et al., 2018; Verma et al., 2019).
 *
 * @param kinds rows mix only with rows of the same kind (those that have the same inputs)
 * @param key names the random stream, see {@link Random}
 */
export function mixingMatrix(
  kinds: readonly (number | string)[],
  alpha: number,
  ...key: readonly (number | string)[]
): Float32Array {
  const rows = kinds.length;
  const random = new Random(...key);
  const partners = partnersOf(kinds, random);
  const matrix = new Float32Array(rows * rows);
  for (let row = 0; row < rows; row++) {
    const share = beta(alpha, random);
    const kept = Math.max(share, 1 - share);
    matrix[row * rows + row]! += kept;
    matrix[row * rows + partners[row]!]! += 1 - kept;
  }
  return matrix;
}

/** A number drawn from Beta(alpha, alpha) (Jöhnk, 1964). */
function beta(alpha: number, random: Random): number {
  for (;;) {
    const x = random.uniform() ** (1 / alpha);
    const y = random.uniform() ** (1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}
