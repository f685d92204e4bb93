import { InputError } from '../errors.js';
import type { ImageSource, PixelData } from './example.js';
import { rgbFromRgba } from './imagePixels.js';
import type { ImageSize, RgbImage } from './imagePixels.js';

/** How a picture is read. */
export interface DecodeOptions {
  /** A picture of more pixels is refused before it is decoded. */
  readonly maxPixels: number;
  /** The folder that relative paths start from; default: the working folder. */
  readonly baseFolder?: string;
}

/** A picture that is bytes, or that bytes can be read of. */
export type EncodedSource = Exclude<ImageSource, PixelData>;

/** What errors call a picture. */
export function nameOf(source: ImageSource): string {
  if (typeof source === 'string') return source;
  if (typeof source === 'object' && source !== null && 'name' in source) return String(source.name);
  return 'a picture';
}

/** Whether a picture is decoded already. */
export function isPixels(source: ImageSource): source is PixelData {
  return typeof source === 'object' && source !== null && 'data' in source && 'width' in source;
}

/** Decoded pixels without their alpha. @throws InputError where their number is not that of their size */
export function fromPixels({ data, width, height }: PixelData, options: DecodeOptions): RgbImage {
  checkSize('the pixels', { width, height }, options);
  if (!Number.isInteger(width * height) || data.length !== width * height * 4) {
    throw new InputError(
      'image: pixels must be RGBA, width x height x 4 bytes, ' +
        `got ${data.length} bytes for ${width} x ${height}`,
    );
  }
  return rgbFromRgba(data, width, height);
}

/** @throws InputError where a picture has no pixels, or too many */
export function checkSize(
  name: string,
  { width, height }: ImageSize,
  { maxPixels }: DecodeOptions,
): void {
  if (!(width > 0 && height > 0)) {
    throw new InputError(
      `image: ${name} must be at least one pixel wide and high, got ${width} x ${height}`,
    );
  }
  if (width * height <= maxPixels) return;
  throw new InputError(
    `image: ${name} must have at most ${maxPixels} pixels, got ${width} x ${height}; ` +
      'make it smaller, or raise maxPixels',
  );
}

/** The bytes of a picture; `readPath` reads those that a path names. @throws InputError where there are none */
export async function encodedBytes(
  source: EncodedSource,
  name: string,
  readPath: (path: string) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const bytes = await bytesOf(source, readPath);
  if (bytes.length > 0) return bytes;
  throw new InputError(`image: ${name} is empty; a JPEG, PNG or WebP picture is needed`);
}

async function bytesOf(
  source: EncodedSource,
  readPath: (path: string) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof source === 'string') return readPath(source);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (typeof source?.read === 'function') return source.read();
  const got = source === null ? 'null' : typeof source;
  throw new InputError(`image: a picture must be a path, bytes, a Blob or RGBA pixels, got ${got}`);
}

/**
 * What a picture consists of: the bytes of its file, or its size and pixels.
 *
 * @throws InputError where it is missing.
 */
export async function contentOf(
  source: ImageSource,
  readPath: (path: string) => Promise<Uint8Array>,
): Promise<readonly (string | Uint8Array)[]> {
  if (!isPixels(source)) return [await bytesOf(source, readPath)];
  const { data, width, height } = source;
  return [`${width} x ${height} `, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

/** What a decoder makes of a picture. @throws InputError, which names the picture, for whatever it throws */
export async function attempt<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = (error instanceof Error ? error.message : String(error))
      .replace(/\s+/g, ' ')
      .trim();
    throw new InputError(
      `image: ${name} cannot be decoded: ${reason}; is it a whole JPEG, PNG or WebP file?`,
    );
  }
}
