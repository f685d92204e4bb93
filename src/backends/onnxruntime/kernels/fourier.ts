import { emit, scalar, sizeOf, Value } from '../graph.js';
import { reshape } from '../layout.js';
import { multiply } from './elementwise.js';
import { multiplyComplex } from './pairs.js';
import { pad, slice } from './shape.js';

/** The discrete Fourier transform of pairs [..., n, 2], or its inverse. */
export function fourier(pairs: Value, inverse: boolean): Value {
  const length = pairs.shape.at(-2)!;
  const x = reshape(pairs, [sizeOf(pairs.shape) / (2 * length), length, 2]);
  const y = isPowerOfTwo(length) ? transform(x, inverse) : chirpTransform(x, inverse);
  return reshape(y, pairs.shape);
}

const isPowerOfTwo = (n: number): boolean => n > 0 && 2 ** Math.round(Math.log2(n)) === n;

function transform(x: Value, inverse: boolean): Value {
  return emit('DFT', [x, undefined, scalar(1, 'int64')], x, { inverse: inverse ? 1 : 0 });
}

/**
 * The transform of any length by three whose lengths are powers of two, which are the ones that ONNX Runtime computes
 * fast and exactly: Bluestein, "A linear filtering approach to the computation of discrete Fourier transform", 1970.
 */
function chirpTransform(x: Value, inverse: boolean): Value {
  const [batch, length] = x.shape as [number, number, number];
  const padded = 2 ** Math.ceil(Math.log2(2 * length - 1));
  const wave = chirp(length, inverse ? 1 : -1);
  const modulated = pad(multiplyComplex(x, wave), [
    [0, 0],
    [0, padded - length],
    [0, 0],
  ]);
  const spectrum = multiplyComplex(
    transform(modulated, false),
    transform(ring(chirp(length, inverse ? -1 : 1), padded), false),
  );
  const convolved = slice(transform(spectrum, true), [0, 0, 0], [batch, length, 2]);
  const result = multiplyComplex(convolved, wave);
  return inverse ? multiply(result, scalar(1 / length)) : result;
}

/** exp(sign i pi k^2 / n) for k = 0 ... n - 1, [1, n, 2]; the angle is reduced in whole numbers. */
function chirp(n: number, sign: 1 | -1): Value {
  const data = new Float32Array(2 * n);
  for (let k = 0; k < n; k++) {
    const angle = (sign * Math.PI * ((k * k) % (2 * n))) / n;
    data[2 * k] = Math.cos(angle);
    data[2 * k + 1] = Math.sin(angle);
  }
  return Value.of(data, [1, n, 2], 'float32');
}

/** An even sequence, given from its middle on, as a ring of `length`. */
function ring(half: Value, length: number): Value {
  const from = half.buffer as Float32Array;
  const data = new Float32Array(2 * length);
  data.set(from);
  const count = half.shape[1]!;
  for (let k = 1; k < count; k++) data.set(from.subarray(2 * k, 2 * k + 2), 2 * (length - k));
  return Value.of(data, [1, length, 2], 'float32');
}
