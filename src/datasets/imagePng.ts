import type { DecodedPng } from 'fast-png';
import type { RgbImage } from './imagePixels.js';

/**
 * Decodes a PNG as it is: no colour profile, no gamma, alpha dropped and not multiplied, of 16 bits
 * the upper 8. A browser's own decoder does none of that reliably.
 *
 * @throws where the file is damaged
 */
export async function decodePng(bytes: Uint8Array): Promise<RgbImage> {
  const { decode } = await import('fast-png');
  const png = decode(bytes, { checkCrc: true });
  const { width, height, channels, palette } = png;
  const samples = samplesOf(png);
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    const colour = palette?.[samples[from]!];
    if (palette !== undefined && colour === undefined)
      throw new Error('a colour is not in its palette');
    for (let channel = 0; channel < 3; channel++)
      data[pixel * 3 + channel] =
        colour?.[channel] ?? samples[channels < 3 ? from : from + channel]!;
  }
  return { data, width, height };
}

/** Whether `decodePng` reads such a file: fast-png cannot where one is interlaced and several samples share a byte. */
export function readsPng(bytes: Uint8Array): boolean {
  const [depth, interlaced] = [bytes[24]!, bytes[28]!]; // Of IHDR, the first chunk.
  return depth >= 8 || interlaced === 0;
}

/** A byte for each sample, row-major [height, width, channels]: a level, or an index into the palette. */
function samplesOf({ data, depth, width, height, channels, palette }: DecodedPng): Uint8Array {
  if (depth === 8) return data as Uint8Array;
  if (depth === 16) return Uint8Array.from(data, (sample) => sample >> 8);
  const samples = new Uint8Array(width * height * channels);
  const [greatest, perByte] = [(1 << depth) - 1, 8 / depth];
  const scale = palette === undefined ? 255 / greatest : 1;
  const rowBytes = Math.ceil((width * channels) / perByte); // Rows begin on a byte.
  for (let at = 0; at < samples.length; at++) {
    const [row, column] = [Math.floor(at / (width * channels)), at % (width * channels)];
    const byte = data[row * rowBytes + Math.floor(column / perByte)]!;
    const shift = 8 - depth * ((column % perByte) + 1);
    samples[at] = ((byte >> shift) & greatest) * scale;
  }
  return samples;
}
