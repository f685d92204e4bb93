import { InputError } from '../errors.js';

/** Values as TensorFlow.js holds them: float32, int32, or bool (a byte that is 0 or 1). */
export type Values = Float32Array | Int32Array | Uint8Array;

/** How the elements of a safetensors type are read. */
export interface DType {
  /** Bytes an element takes. */
  readonly itemSize: number;
  /** What they become. */
  readonly becomes: 'float32' | 'int32' | 'bool';
  /**
   * Little-endian bytes to values: a view where they are stored as they are held and are aligned, else a copy.
   *
   * @throws InputError, which begins with `where`, for a value that cannot be held.
   */
  readonly decode: (bytes: Uint8Array, where: string) => Values;
}

/** The types that can be read. */
export const dtypes: Readonly<Record<string, DType>> = {
  F64: { itemSize: 8, becomes: 'float32', decode: decodeF64 },
  F32: { itemSize: 4, becomes: 'float32', decode: (bytes) => typed(Float32Array, bytes) },
  F16: { itemSize: 2, becomes: 'float32', decode: decodeF16 },
  BF16: { itemSize: 2, becomes: 'float32', decode: decodeBF16 },
  I64: { itemSize: 8, becomes: 'int32', decode: (bytes, where) => decodeLong(bytes, where, true) },
  U64: { itemSize: 8, becomes: 'int32', decode: (bytes, where) => decodeLong(bytes, where, false) },
  I32: { itemSize: 4, becomes: 'int32', decode: (bytes) => typed(Int32Array, bytes) },
  U32: { itemSize: 4, becomes: 'int32', decode: decodeU32 },
  I16: { itemSize: 2, becomes: 'int32', decode: (bytes) => widen(typed(Int16Array, bytes)) },
  U16: { itemSize: 2, becomes: 'int32', decode: (bytes) => widen(typed(Uint16Array, bytes)) },
  I8: { itemSize: 1, becomes: 'int32', decode: (bytes) => widen(typed(Int8Array, bytes)) },
  U8: { itemSize: 1, becomes: 'int32', decode: (bytes) => widen(bytes) },
  BOOL: { itemSize: 1, becomes: 'bool', decode: decodeBool },
};

interface TypedArrayConstructor<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, offset: number, length: number): T;
}

function typed<T>(type: TypedArrayConstructor<T>, bytes: Uint8Array): T {
  const size = type.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

function widen(values: ArrayLike<number>): Int32Array {
  return Int32Array.from(values);
}

function decodeF64(bytes: Uint8Array, where: string): Float32Array {
  const doubles = typed(Float64Array, bytes);
  const values = Float32Array.from(doubles);
  const lost = values.findIndex((value, i) => Math.abs(value) === Infinity && value !== doubles[i]);
  if (lost >= 0) throw outOfRange(where, lost, doubles[lost]!, 'float32');
  return values;
}

function decodeF16(bytes: Uint8Array): Float32Array {
  const table = halves();
  const halfFloats = typed(Uint16Array, bytes);
  const values = new Float32Array(halfFloats.length);
  for (let i = 0; i < values.length; i++) values[i] = table[halfFloats[i]!]!;
  return values;
}

let halfTable: Float32Array | undefined;

/** All of float16, by its bits (IEEE 754: 1 sign, 5 exponent, 10 fraction). */
function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return halfTable;
}

/** bfloat16 is the upper half of float32. */
function decodeBF16(bytes: Uint8Array): Float32Array {
  const upper = typed(Uint16Array, bytes);
  const bits = new Uint32Array(upper.length);
  for (let i = 0; i < bits.length; i++) bits[i] = upper[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** A 64-bit integer fits in int32 where its upper word only repeats the sign of its lower. */
function decodeLong(bytes: Uint8Array, where: string, signed: boolean): Int32Array {
  const words = typed(Int32Array, bytes);
  const values = new Int32Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    const [low, high] = [words[2 * i]!, words[2 * i + 1]!];
    if (high !== low >> 31 || (!signed && high < 0)) {
      throw outOfRange(where, i, longs(bytes, signed)[i]!, 'int32');
    }
    values[i] = low;
  }
  return values;
}

function longs(bytes: Uint8Array, signed: boolean): BigInt64Array | BigUint64Array {
  return signed ? typed(BigInt64Array, bytes) : typed(BigUint64Array, bytes);
}

function decodeU32(bytes: Uint8Array, where: string): Int32Array {
  const values = typed(Int32Array, bytes);
  const lost = values.findIndex((value) => value < 0);
  if (lost >= 0) throw outOfRange(where, lost, values[lost]! >>> 0, 'int32');
  return values;
}

function decodeBool(bytes: Uint8Array, where: string): Uint8Array {
  const lost = bytes.findIndex((byte) => byte > 1);
  if (lost < 0) return bytes;
  throw new InputError(
    `${where} holds ${bytes[lost]} at index ${lost}, and a BOOL is 0 or 1; is it damaged?`,
  );
}

function outOfRange(
  where: string,
  index: number,
  value: number | bigint,
  type: string,
): InputError {
  return new InputError(
    `${where} holds ${value} at index ${index}, outside the range of ${type}, which it becomes; ` +
      'save it in a smaller type',
  );
}
