import { InputError, messageOf } from '../errors.js';
import type { ImageSource, PixelData } from './example.js';
import { rgbFromRgba } from './imagePixels.js';
import type { RgbImage } from './imagePixels.js';
import { checkSize, fromPixels, isPixels, nameOf } from './imageSource.js';
import type { DecodeOptions } from './imageSource.js';

/**
 * Decodes a picture to upright 8-bit RGB by the browser's own decoder: EXIF orientation is applied, alpha dropped.
 *
 * @throws InputError, naming the picture, where it is missing, too large, truncated, or of another format.
 */
export async function decodeImage(source: ImageSource, options: DecodeOptions): Promise<RgbImage> {
  const name = nameOf(source);
  if (isPixels(source)) return fromPixels(source, options);
  const bitmap = await attempt(name, createImageBitmap(await blobOf(source, options), settings));
  try {
    checkSize(name, bitmap, options);
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    return rgbFromRgba(context.getImageData(0, 0, width, height).data, width, height);
  } finally {
    bitmap.close();
  }
}

const settings: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

async function blobOf(
  source: Exclude<ImageSource, PixelData>,
  { baseFolder }: Pick<DecodeOptions, 'baseFolder'>,
): Promise<Blob> {
  if (source instanceof Blob) return source;
  if (source instanceof Uint8Array) return new Blob([new Uint8Array(source)]);
  if (source instanceof ArrayBuffer) return new Blob([source]);
  if (typeof source === 'string') return download(source, baseFolder);
  const got = source === null ? 'null' : typeof source;
  throw new InputError(`image: a picture must be a URL, bytes, a Blob or RGBA pixels, got ${got}`);
}

async function download(url: string, base = pageUrl()): Promise<Blob> {
  const response = await fetch(new URL(url, base)).catch((error: unknown) => {
    throw new InputError(`image: ${url} cannot be read: ${messageOf(error)}`);
  });
  if (!response.ok) {
    throw new InputError(`image: ${url} cannot be read: the server answered ${response.status}`);
  }
  return response.blob();
}

/** What relative URLs start from; a worker has no document. */
function pageUrl(): string {
  return typeof document === 'undefined' ? location.href : document.baseURI;
}

/**
 * What a picture consists of: the bytes of its file, or its size and pixels.
 *
 * @throws InputError where it is missing.
 */
export async function contentOf(source: ImageSource): Promise<readonly (string | Uint8Array)[]> {
  if (!isPixels(source)) {
    return [new Uint8Array(await (await blobOf(source, {})).arrayBuffer())];
  }
  const { data, width, height } = source;
  return [`${width} x ${height} `, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

async function attempt<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new InputError(
      `image: ${name} cannot be decoded: ${messageOf(error)}; is it a whole JPEG, PNG or WebP file?`,
    );
  }
}
