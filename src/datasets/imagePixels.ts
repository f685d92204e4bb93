/** Pixels, RGB, 8 bits a channel, row-major `[height, width, 3]`. */
export interface RgbImage {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** Height and width in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** A rectangle of pixels. */
export interface Box extends ImageSize {
  readonly top: number;
  readonly left: number;
}

/** The pixels of a box; black where the box lies outside of the picture. */
export function crop(image: RgbImage, box: Box): RgbImage {
  const { top, left, height, width } = box;
  const data = new Uint8Array(height * width * 3);
  const [from, to] = [Math.max(0, left), Math.min(image.width, left + width)];
  if (from >= to) return { data, width, height };
  for (let y = Math.max(0, top); y < Math.min(image.height, top + height); y++) {
    const row = image.data.subarray((y * image.width + from) * 3, (y * image.width + to) * 3);
    data.set(row, ((y - top) * width + from - left) * 3);
  }
  return { data, width, height };
}

/** The mirror image, left to right. */
export function flipHorizontal({ data, width, height }: RgbImage): RgbImage {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * 3;
      const from = (y * width + width - 1 - x) * 3;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { data: out, width, height };
}

/** Alpha is dropped, not blended, as Pillow's `convert('RGB')` does. */
export function rgbFromRgba(rgba: RgbImage['data'], width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from]!;
    data[to + 1] = rgba[from + 1]!;
    data[to + 2] = rgba[from + 2]!;
  }
  return { data, width, height };
}

/** Pillow's CMYK to RGB: each ink darkens what black leaves; no colour profile. */
export function rgbFromCmyk(cmyk: Uint8Array, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    const white = 255 - cmyk[from + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const product = cmyk[from + channel]! * white + 128;
      data[to + channel] = white - (((product >> 8) + product) >> 8);
    }
  }
  return { data, width, height };
}
