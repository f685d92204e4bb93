/** Changes of levels and of sharpness of 8-bit pixels, in Pillow's arithmetic. */
import type { RgbImage } from './imagePixels.js';

/** Keeps the upper bits of each level: 8 is the picture, 0 is black. */
export function posterize(image: RgbImage, bits: number): RgbImage {
  const mask = 256 - 2 ** (8 - bits);
  return mapLevels(image, () => Uint8Array.from({ length: 256 }, (_, level) => level & mask));
}

/** Inverts the levels from a threshold on: 256 is the picture, 0 its negative. */
export function solarize(image: RgbImage, threshold: number): RgbImage {
  const inverted = (level: number): number => (level < threshold ? level : 255 - level);
  return mapLevels(image, () => Uint8Array.from({ length: 256 }, (_, level) => inverted(level)));
}

/** Spreads each channel over all levels. */
export function autoContrast(image: RgbImage): RgbImage {
  return mapLevels(image, (counts) => {
    const low = counts.findIndex((count) => count > 0);
    const high = counts.findLastIndex((count) => count > 0);
    if (high <= low) return identity;
    const scale = 255 / (high - low);
    const spread = (level: number): number => Math.trunc(level * scale - low * scale);
    return Uint8Array.from(identity, (level) => Math.min(255, Math.max(0, spread(level))));
  });
}

/** Gives every level of each channel about as many pixels. */
export function equalize(image: RgbImage): RgbImage {
  return mapLevels(image, (counts) => {
    const present = counts.filter((count) => count > 0);
    const step = Math.floor((image.width * image.height - present.at(-1)!) / 255);
    if (present.length <= 1 || step === 0) return identity;
    let below = Math.floor(step / 2);
    return Uint8Array.from(identity, (level) => {
      const mapped = Math.floor(below / step);
      below += counts[level]!;
      return Math.min(255, mapped);
    });
  });
}

const identity = Uint8Array.from({ length: 256 }, (_, level) => level);

/** Every channel through a table of its own, made of how often each level occurs in it. */
function mapLevels(
  { data, width, height }: RgbImage,
  tableOf: (counts: readonly number[]) => Uint8Array,
): RgbImage {
  const out = new Uint8Array(data.length);
  for (let channel = 0; channel < 3; channel++) {
    const counts = Array.from({ length: 256 }, () => 0);
    for (let i = channel; i < data.length; i += 3) counts[data[i]!]! += 1;
    const table = tableOf(counts);
    for (let i = channel; i < data.length; i += 3) out[i] = table[data[i]!]!;
  }
  return { data: out, width, height };
}

/** Mixes a picture with its smoothed self: 0 is smooth, 1 the picture, 2 sharper. */
export function adjustSharpness(image: RgbImage, factor: number): RgbImage {
  const smooth = smoothed(image);
  const alpha = Math.fround(factor);
  const data = Uint8Array.from(image.data, (level, i) => {
    const from = smooth[i]!;
    const mixed = Math.fround(from + Math.fround(alpha * (level - from)));
    return Math.min(255, Math.max(0, mixed));
  });
  return { ...image, data };
}

/** Pillow's SMOOTH: ones around a five, over 13; the border stays. */
function smoothed({ data, width, height }: RgbImage): Uint8Array {
  const out = Uint8Array.from(data);
  const row = width * 3;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + 3; i < (y + 1) * row - 3; i++) {
      let sum = 4 * data[i]!;
      for (const start of [i - row, i, i + row]) {
        sum += data[start - 3]! + data[start]! + data[start + 3]!;
      }
      out[i] = Math.floor(sum / 13 + 0.5);
    }
  }
  return out;
}
