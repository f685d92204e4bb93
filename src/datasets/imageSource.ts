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

/** Pixels without their alpha. @throws InputError where their number is not that of their size */
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

/** @throws InputError for a picture that is empty or larger than allowed. */
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

/** Whether a picture is decoded already. */
export function isPixels(source: ImageSource): source is PixelData {
  return typeof source === 'object' && source !== null && 'data' in source && 'width' in source;
}

/** What messages call a picture. */
export function nameOf(source: ImageSource): string {
  if (typeof source === 'string') return source;
  if (source instanceof Blob && 'name' in source) return String(source.name);
  return 'a picture';
}
