import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import sharp from 'sharp';
import { decodeImage } from '../../src/datasets/image.node.js';
import { decodePng, readsPng } from '../../src/datasets/imagePng.js';

const folder = fileURLToPath(new URL('../fixtures/images/', import.meta.url));
const names = (await readdir(folder)).filter((name) => name.endsWith('.png'));

function noisy() {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  return sharp({ create: { width: 37, height: 23, channels: 3, background: '#246', noise } });
}

describe("the browser's decoder of PNGs", () => {
  it.each(names)('gives %s the pixels that Node gives it', async (name) => {
    const { data, width, height } = await decodeImage(join(folder, name), { maxPixels: 1e6 });
    const decoded = await decodePng(await readFile(join(folder, name)));
    expect([decoded.width, decoded.height]).toEqual([width, height]);
    expect(Buffer.from(decoded.data).equals(Buffer.from(data))).toBe(true);
  });

  it.each([2, 4, 16, 256])(
    'reads palettes of %i colours, and interlaced files',
    async (colours) => {
      for (const progressive of [true, false]) {
        const bytes = await noisy().png({ palette: true, colours, progressive }).toBuffer();
        const reads = colours === 256 || !progressive;
        expect(readsPng(bytes)).toBe(reads);
        if (!reads) continue;
        const decoded = await decodePng(bytes);
        const { data } = await decodeImage(bytes, { maxPixels: 1e6 });
        expect(Buffer.from(decoded.data).equals(Buffer.from(data))).toBe(true);
      }
    },
  );

  it('reads interlaced colours', async () => {
    const bytes = await noisy().png({ progressive: true }).toBuffer();
    const { data } = await decodeImage(bytes, { maxPixels: 1e6 });
    expect(Buffer.from((await decodePng(bytes)).data).equals(Buffer.from(data))).toBe(true);
  });

  it('refuses a damaged file', async () => {
    const bytes = await readFile(join(folder, 'rgba.png'));
    await expect(decodePng(bytes.subarray(0, bytes.length >> 1))).rejects.toThrow();
    bytes[bytes.length >> 1]! ^= 1;
    await expect(decodePng(bytes)).rejects.toThrow();
  });
});
