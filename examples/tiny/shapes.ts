// Pictures of 20 x 20 pixels, each with a disc, a square or a cross somewhere, under noise.
import * as tf from '@tensorflow/tfjs-core';

export const shapeNames = ['disc', 'square', 'cross'];

const SIDE = 20;

/** Whether a shape of this radius covers the point at (x, y) from its centre. */
const covers: readonly ((x: number, y: number, radius: number) => boolean)[] = [
  (x, y, radius) => x * x + y * y <= radius * radius,
  (x, y, radius) => Math.max(Math.abs(x), Math.abs(y)) <= radius * 0.9,
  (x, y, radius) => Math.min(Math.abs(x), Math.abs(y)) <= 1 && Math.hypot(x, y) <= radius * 1.3,
];

/** Pictures [count, 20, 20, 1] and their labels, one-hot [count, 3]. */
export function shapes(count: number, seed: number): { images: tf.Tensor4D; labels: tf.Tensor } {
  const random = uniform(seed);
  const between = (low: number, high: number): number => low + (high - low) * random();
  const pixels = new Float32Array(count * SIDE * SIDE);
  const kinds = Int32Array.from({ length: count }, () => Math.floor(between(0, covers.length)));
  kinds.forEach((kind, i) => {
    const [left, top] = [between(6, 13), between(6, 13)];
    const radius = between(4, 6);
    for (let p = 0; p < SIDE * SIDE; p++) {
      const inside = covers[kind]!((p % SIDE) - left, Math.floor(p / SIDE) - top, radius);
      pixels[i * SIDE * SIDE + p] = Number(inside) + between(-0.6, 0.6);
    }
  });
  return {
    images: tf.tensor4d(pixels, [count, SIDE, SIDE, 1]),
    labels: tf.oneHot(tf.tensor1d(kinds, 'int32'), covers.length),
  };
}

/** Seeded random numbers from 0 to 1 (mulberry32). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}
