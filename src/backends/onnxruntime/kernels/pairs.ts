import type { Value } from '../graph.js';
import { reshape } from '../layout.js';
import { add, multiply, subtract } from './elementwise.js';
import { concat, slice } from './shape.js';

// A complex64 tensor is a float32 value with one more axis, of length two: its real and its imaginary part.

/** The real (0) or imaginary (1) part of pairs [..., 2]. */
export function partOf(pairs: Value, which: 0 | 1): Value {
  const last = pairs.shape.length - 1;
  const begin = pairs.shape.map((_, i) => (i === last ? which : 0));
  const end = pairs.shape.map((size, i) => (i === last ? which + 1 : size));
  return reshape(slice(pairs, begin, end), pairs.shape.slice(0, -1));
}

/** Pairs [..., 2] of two values of one shape. */
export function joinParts(real: Value, imaginary: Value): Value {
  const column = [...real.shape, 1];
  return concat([reshape(real, column), reshape(imaginary, column)], real.shape.length);
}

/** (a + bi)(c + di), each [..., 2]. */
export function multiplyComplex(x: Value, y: Value): Value {
  const [a, b, c, d] = [partOf(x, 0), partOf(x, 1), partOf(y, 0), partOf(y, 1)];
  const real = subtract(multiply(a, c), multiply(b, d));
  return joinParts(real, add(multiply(a, d), multiply(b, c)));
}
