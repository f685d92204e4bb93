import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { cutOff } from '../../src/datasets/imageWhole.js';

const folder = fileURLToPath(new URL('../fixtures/images/', import.meta.url));
const names = (await readdir(folder)).filter((name) => name.endsWith('.jpg'));
const read = async (name: string) => new Uint8Array(await readFile(join(folder, name)));
const joined = (...parts: readonly ArrayLike<number>[]) =>
  Uint8Array.from(parts.flatMap((part) => Array.from(part)));

/** Random bytes, many of them of markers: ends and scans among them. */
const anyBytes = fc.array(
  fc.oneof(fc.nat(255), fc.constantFrom(0xff, 0xd8, 0xd9, 0xda, 0xd0, 0x00)),
  { maxLength: 300 },
);

function expectWholeAlone(jpeg: Uint8Array): void {
  expect(cutOff(jpeg, 'jpg')).toBeUndefined();
  for (let length = 0; length < jpeg.length; length++)
    expect(cutOff(jpeg.subarray(0, length), 'jpg'), `${length}`).toBe('its end is missing');
}

describe('a JPEG', () => {
  it.each(names)('%s is whole with its end alone, whatever stands behind it', async (name) => {
    const jpeg = await read(name);
    expectWholeAlone(jpeg);
    fc.assert(
      fc.property(anyBytes, (film) => {
        expect(cutOff(joined(jpeg, film), 'jpg')).toBeUndefined();
      }),
    );
    expect(cutOff(joined(jpeg, [0xff, 0xd9, 0xff, 0xda]), 'jpg')).toBeUndefined();
  });

  it('of several scans, with restarts and fill bytes, is read to its end', async () => {
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const picture = sharp({
      create: { width: 70, height: 50, channels: 3, background: '#246', noise },
    });
    for (const progressive of [true, false])
      expectWholeAlone(await picture.jpeg({ progressive, quality: 95 }).toBuffer());
    const scan = [0xff, 0xda, 0, 2, 1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xd7, 4];
    expectWholeAlone(joined([0xff, 0xd8], scan, scan, [0xff, 0xff, 0xd9]));
  });

  it('does not end with its thumbnail', async () => {
    const jpeg = await read('rgb.jpg');
    const thumbnail = await read('grey.jpg');
    const length = thumbnail.length + 2;
    const segment = joined([0xff, 0xe1, length >> 8, length & 255], thumbnail);
    expectWholeAlone(joined(jpeg.subarray(0, 2), segment, jpeg.subarray(2)));
  });
});

describe('a WebP', () => {
  it('is whole with the bytes that its head tells', async () => {
    const bytes = await read('lossy.webp');
    expect(cutOff(bytes, 'webp')).toBeUndefined();
    expect(cutOff(joined(bytes, [0, 0]), 'webp')).toBeUndefined();
    expect(cutOff(bytes.subarray(0, bytes.length - 3), 'webp')).toMatch(/it has \d+ of \d+ bytes/);
  });
});
