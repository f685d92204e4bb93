import type { Batch } from '../datasets/batch.js';
import { Random } from '../nn/random.js';
import { partnersOf } from './partners.js';

/**
 * The matrix [rows, rows] that gives rows the picture of another row of their class: where label, text and picture are
 * known, more pairs of a text and a picture than there are rows. A row keeps its own where the class has no other one
 * with both inputs in the batch. A product, and no lookup, whose gradient would leave the program.
 *
 * @param probability that a row is given another picture
 * @param key names the random stream, see {@link Random}
 */
export function swapMatrix(
  { hasText, hasImage }: Pick<Batch, 'hasText' | 'hasImage'>,
  labels: ArrayLike<number>,
  probability: number,
  ...key: readonly (number | string)[]
): Float32Array {
  const rows = hasText.length;
  const random = new Random(...key);
  // Rows that lack an input are kinds of their own.
  const kinds = hasText.map((has, row) => (has && hasImage[row]! ? `of ${labels[row]}` : row));
  const partners = partnersOf(kinds, random);
  const matrix = new Float32Array(rows * rows);
  for (let row = 0; row < rows; row++) {
    const from = random.uniform() < probability ? partners[row]! : row;
    matrix[row * rows + from] = 1;
  }
  return matrix;
}
