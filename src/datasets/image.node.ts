import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { InputError, messageOf } from '../errors.js';
import type { ImageSource } from './example.js';
import * as check from './imageSource.js';
import type { DecodeOptions } from './imageSource.js';
import { rgbFromCmyk } from './imagePixels.js';
import type { RgbImage } from './imagePixels.js';

// Scripts and vector graphics that libvips could also open are left out: pictures are not trusted.
const formats: readonly (string | undefined)[] = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif'];

// Our own limit is checked first; colour profiles are ignored, as Pillow ignores them.
const settings: SharpOptions = {
  limitInputPixels: false,
  ignoreIcc: true,
  failOn: 'error',
  sequentialRead: true,
};

/**
 * Decodes a picture to upright 8-bit RGB, as transformers' `load_image` does: EXIF orientation is
 * applied, alpha is dropped, CMYK is converted without a profile, of 16 bits the upper 8 are kept,
 * of an animation the first frame. Reading and decoding run in the thread pool.
 *
 * @throws InputError, naming the picture, where it is missing, too large, truncated, or of another
 *   format.
 */
export async function decodeImage(source: ImageSource, options: DecodeOptions): Promise<RgbImage> {
  const name = check.nameOf(source);
  if (check.isPixels(source)) return check.fromPixels(source, options);
  const bytes = await check.encodedBytes(source, name, (path) =>
    readBytes(resolve(options.baseFolder ?? '', path), path),
  );
  const { default: sharp } = await import('sharp');
  const metadata = await check.attempt(name, sharp(bytes, settings).metadata());
  if (!formats.includes(metadata.format)) {
    throw new InputError(
      `image: ${name} must be a JPEG, PNG or WebP picture, got ${metadata.format}`,
    );
  }
  check.checkSize(name, metadata, options);
  return decode(sharp(bytes, { ...settings, autoOrient: true }), metadata, name);
}

async function decode(picture: Sharp, metadata: Metadata, name: string): Promise<RgbImage> {
  const cmyk = metadata.space === 'cmyk';
  const converted = cmyk
    ? picture.pipelineColourspace('cmyk').toColourspace('cmyk')
    : picture.removeAlpha();
  const raw = converted.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const { data, info } = await check.attempt(name, raw);
  const { width, height, channels } = info;
  if (cmyk) return rgbFromCmyk(data, width, height);
  return { data: channels === 3 ? data : repeated(data), width, height };
}

function repeated(grey: Uint8Array): Uint8Array {
  const data = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) data.fill(grey[i]!, i * 3, i * 3 + 3);
  return data;
}

/** The bytes of a picture's file, or its size and pixels. @throws InputError where it is missing */
export function contentOf(source: ImageSource): Promise<readonly (string | Uint8Array)[]> {
  return check.contentOf(source, (path) => readBytes(resolve(path), path));
}

async function readBytes(path: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = missing ? 'there is no such file' : messageOf(error);
    throw new InputError(`image: ${name} cannot be read: ${reason}`);
  }
}
