/** Colour jitter on 8-bit pixels, in Pillow's arithmetic, as torchvision's ColorJitter has it. */
import type { RgbImage } from './imagePixels.js';

/** Mixes a picture with black: 0 is black, 1 the picture, 2 twice as bright. */
export function adjustBrightness(image: RgbImage, factor: number): RgbImage {
  return blend(image, factor, () => 0);
}

/** Mixes a picture with its mean grey: 0 is that grey, 1 the picture. */
export function adjustContrast(image: RgbImage, factor: number): RgbImage {
  const mean = meanGrey(image);
  return blend(image, factor, () => mean);
}

/** Mixes a picture with its greys: 0 is grey, 1 the picture. */
export function adjustSaturation(image: RgbImage, factor: number): RgbImage {
  return blend(image, factor, (at) => greyAt(image.data, at));
}

/** Turns the colours by a part of the circle, -0.5 to 0.5. */
export function adjustHue({ data, width, height }: RgbImage, turn: number): RgbImage {
  const shift = Math.trunc(turn * 255);
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += 3) {
    const [hue, saturation, value] = hsvFromRgb(data[at]!, data[at + 1]!, data[at + 2]!);
    out.set(rgbFromHsv((hue + shift) & 255, saturation, value), at);
  }
  return { data: out, width, height };
}

// Pillow's blend truncates, and so does a store into whole numbers.
function blend(image: RgbImage, factor: number, base: (at: number) => number): RgbImage {
  const { data, width, height } = image;
  const out = new Uint8Array(data.length);
  const alpha = Math.fround(factor);
  for (let at = 0; at < data.length; at += 3) {
    const from = base(at);
    for (let i = at; i < at + 3; i++) {
      const mixed = Math.fround(from + Math.fround(alpha * (data[i]! - from)));
      out[i] = Math.min(255, Math.max(0, mixed));
    }
  }
  return { data: out, width, height };
}

// ITU-R 601-2 luma in 16 bits.
function greyAt(data: RgbImage['data'], at: number): number {
  return (data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >> 16;
}

function meanGrey({ data }: RgbImage): number {
  let sum = 0;
  for (let at = 0; at < data.length; at += 3) sum += greyAt(data, at);
  return Math.trunc(sum / (data.length / 3) + 0.5);
}

function hsvFromRgb(red: number, green: number, blue: number): [number, number, number] {
  const high = Math.max(red, green, blue);
  const range = high - Math.min(red, green, blue);
  if (range === 0) return [0, 0, high];
  const r = Math.fround((high - red) / range);
  const g = Math.fround((high - green) / range);
  const b = Math.fround((high - blue) / range);
  const sector = red === high ? b - g : green === high ? 2 + r - b : 4 + g - r;
  const hue = Math.fround((Math.fround(sector) / 6 + 1) % 1);
  return [Math.trunc(hue * 255), Math.trunc(Math.fround(range / high) * 255), high];
}

function rgbFromHsv(hue: number, saturation: number, value: number): [number, number, number] {
  if (saturation === 0) return [value, value, value];
  const position = (hue * 6) / 255;
  const sector = Math.floor(position);
  const part = Math.fround(position - sector);
  const strength = Math.fround(saturation / 255);
  const p = Math.round(value * (1 - strength));
  const q = Math.round(value * (1 - strength * part));
  const t = Math.round(value * (1 - strength * (1 - part)));
  if (sector === 1) return [q, value, p];
  if (sector === 2) return [p, value, t];
  if (sector === 3) return [p, q, value];
  if (sector === 4) return [t, p, value];
  return sector === 5 ? [value, p, q] : [value, t, p];
}
