import type { RgbImage } from './imagePixels.js';

/** A picture as a data URI, small enough to stand in a page. */
export async function encodeImage({ data, width, height }: RgbImage): Promise<string> {
  const { default: sharp } = await import('sharp'); // loaded where a picture is made, not with the package
  const raw = { width, height, channels: 3 } as const;
  const bytes = await sharp(data, { raw }).jpeg({ quality: 80, mozjpeg: true }).toBuffer();
  return `data:image/jpeg;base64,${bytes.toString('base64')}`;
}
