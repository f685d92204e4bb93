import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { InputError, messageOf } from '../errors.js';
import type { ImageSource, PixelData } from './example.js';
import { rgbFromCmyk } from './imagePixels.js';
import type { RgbImage } from './imagePixels.js';
import { checkSize, fromPixels, isPixels, nameOf } from './imageSource.js';
import type { DecodeOptions } from './imageSource.js';

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
  const name = nameOf(source);
  if (isPixels(source)) return fromPixels(source, options);
  const bytes = await bytesOf(source, name, options);
  if (bytes.length === 0) {
    throw new InputError(`image: ${name} is empty; a JPEG, PNG or WebP picture is needed`);
  }
  const { default: sharp } = await import('sharp');
  const metadata = await attempt(name, sharp(bytes, settings).metadata());
  if (!formats.includes(metadata.format)) {
    throw new InputError(
      `image: ${name} must be a JPEG, PNG or WebP picture, got ${metadata.format}`,
    );
  }
  checkSize(name, metadata, options);
  return decode(sharp(bytes, { ...settings, autoOrient: true }), metadata, name);
}

async function decode(picture: Sharp, metadata: Metadata, name: string): Promise<RgbImage> {
  const cmyk = metadata.space === 'cmyk';
  const converted = cmyk
    ? picture.pipelineColourspace('cmyk').toColourspace('cmyk')
    : picture.removeAlpha();
  const raw = converted.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const { data, info } = await attempt(name, raw);
  const { width, height, channels } = info;
  if (cmyk) return rgbFromCmyk(data, width, height);
  return { data: channels === 3 ? data : repeated(data), width, height };
}

function repeated(grey: Uint8Array): Uint8Array {
  const data = new Uint8Array(grey.length * 3);
  for (let i = 0; i < grey.length; i++) data.fill(grey[i]!, i * 3, i * 3 + 3);
  return data;
}

async function bytesOf(
  source: Exclude<ImageSource, PixelData>,
  name: string,
  { baseFolder }: Pick<DecodeOptions, 'baseFolder'>,
): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof source === 'string') return readBytes(resolve(baseFolder ?? '', source), name);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  const got = source === null ? 'null' : typeof source;
  throw new InputError(`image: a picture must be a path, bytes, a Blob or RGBA pixels, got ${got}`);
}

/**
 * What a picture consists of: the bytes of its file, or its size and pixels.
 *
 * @throws InputError where it is missing.
 */
export async function contentOf(source: ImageSource): Promise<readonly (string | Uint8Array)[]> {
  if (!isPixels(source)) return [await bytesOf(source, nameOf(source), {})];
  const { data, width, height } = source;
  return [`${width} x ${height} `, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
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

async function attempt<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const reason = messageOf(error).replace(/\s+/g, ' ').trim();
    throw new InputError(
      `image: ${name} cannot be decoded: ${reason}; is it a whole JPEG, PNG or WebP file?`,
    );
  }
}
