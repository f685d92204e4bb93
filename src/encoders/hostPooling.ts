import { InputError } from '../errors.js';

/** How the vectors of a row become one. */
export type HostPooling = 'cls' | 'mean' | 'pooler';

/** A tensor on the host. */
export interface HostValues {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** What a model gives for a batch: some of these. */
export interface HostStates {
  /** One vector a row, [rows, width], where the model pools by itself and gives no sequence. */
  readonly vectors?: HostValues;
  /** [rows, length, width]. */
  readonly sequence?: HostValues;
  /** [rows, width, height, width of the map]. */
  readonly map?: HostValues;
  /** What the model's own pooler makes of each row, [rows, width, ...]. */
  readonly pooler?: HostValues;
  /** 1 where a token counts, row-major [rows, length]; without it all do. */
  readonly mask?: ArrayLike<number | bigint>;
}

/**
 * One vector a row, row-major [rows, width].
 *
 * @throws InputError where the model gives nothing that could be pooled so.
 */
export function poolRows(states: HostStates, pooling: HostPooling): Float32Array {
  const { vectors, sequence, map, pooler, mask } = states;
  if (pooling === 'pooler') return pooler?.data ?? refuse(pooling, 'has no pooler');
  if (vectors) return vectors.data;
  if (map) return pooling === 'mean' ? meanOfMap(map) : refuse(pooling, 'gives a map of places');
  if (sequence) return pooling === 'cls' ? firstKept(sequence, mask) : meanKept(sequence, mask);
  return refuse(pooling, 'gives neither a sequence, a map nor a vector');
}

function refuse(pooling: HostPooling, why: string): never {
  throw new InputError(`transformers: pooling '${pooling}' is not possible: the model ${why}`);
}

/** The first vector that counts: behind the padding, where that stands on the left. */
function firstKept({ data, shape }: HostValues, mask: HostStates['mask']): Float32Array {
  const [rows = 0, length = 0, width = 0] = shape;
  const pooled = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const places = Array.from({ length }, (_, at) => at);
    const at = places.find((place) => !mask || Number(mask[row * length + place])) ?? 0;
    const start = (row * length + at) * width;
    pooled.set(data.subarray(start, start + width), row * width);
  }
  return pooled;
}

/** The mean of the vectors that count; zero where none does. */
function meanKept({ data, shape }: HostValues, mask: HostStates['mask']): Float32Array {
  const [rows = 0, length = 0, width = 0] = shape;
  const pooled = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const sum = pooled.subarray(row * width, (row + 1) * width);
    let count = 0;
    for (let token = row * length; token < (row + 1) * length; token++) {
      if (mask && !Number(mask[token])) continue;
      count++;
      for (let i = 0; i < width; i++) sum[i]! += data[token * width + i]!;
    }
    for (let i = 0; i < width; i++) sum[i]! /= Math.max(1, count);
  }
  return pooled;
}

/** [rows, width, height, width of the map] to [rows, width]. */
function meanOfMap({ data, shape }: HostValues): Float32Array {
  const [rows = 0, width = 0, ...sides] = shape;
  const places = sides.reduce((product, side) => product * side, 1);
  return Float32Array.from({ length: rows * width }, (_, i) => {
    let sum = 0;
    for (let place = 0; place < places; place++) sum += data[i * places + place]!;
    return sum / places;
  });
}
