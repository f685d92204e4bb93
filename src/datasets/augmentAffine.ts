/** Rotation, shift and scale of 8-bit pixels, bilinear, as torchvision does them through Pillow. */
import type { RgbImage } from './imagePixels.js';

/** What is done to a picture around its centre. */
export interface AffineTransform {
  /** Degrees, clockwise as the picture is seen. */
  readonly angle: number;
  /** Pixels to the right and down. */
  readonly translate: readonly [number, number];
  /** Above 1 enlarges. */
  readonly scale: number;
}

/** The picture, transformed; what comes from outside of it has the colour `fill`. */
export function affine(
  image: RgbImage,
  transform: AffineTransform,
  fill: readonly number[],
): RgbImage {
  const { width, height } = image;
  const [a, b, c, d, e, f] = inverseMatrix(transform, width / 2, height / 2);
  const out = new Uint8Array(image.data.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
      const inside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      if (inside) interpolate(image, fromX - 0.5, fromY - 0.5, out, to);
      else out.set(fill, to);
    }
  }
  return { data: out, width, height };
}

type Matrix = [number, number, number, number, number, number];

// From a pixel of the result to its place in the picture: move the centre back, turn back, shrink
// back.
function inverseMatrix(transform: AffineTransform, centerX: number, centerY: number): Matrix {
  const { angle, translate, scale } = transform;
  const radians = (angle * Math.PI) / 180;
  const cosine = Math.cos(radians) / scale;
  const sine = Math.sin(radians) / scale;
  const x = -centerX - translate[0];
  const y = -centerY - translate[1];
  const shiftX = cosine * x + sine * y + centerX;
  const shiftY = cosine * y - sine * x + centerY;
  return [cosine, sine, shiftX, -sine, cosine, shiftY];
}

function interpolate(image: RgbImage, x: number, y: number, out: Uint8Array, to: number): void {
  const { data, width, height } = image;
  const left = Math.floor(x);
  const top = Math.floor(y);
  const [dx, dy] = [x - left, y - top];
  const [x0, x1] = [Math.max(0, left), Math.min(width - 1, left + 1)];
  const [y0, y1] = [Math.max(0, top) * width, Math.min(height - 1, top + 1) * width];
  for (let channel = 0; channel < 3; channel++) {
    const at = (pixel: number) => data[pixel * 3 + channel]!;
    const above = at(y0 + x0) + (at(y0 + x1) - at(y0 + x0)) * dx;
    const below = at(y1 + x0) + (at(y1 + x1) - at(y1 + x0)) * dx;
    out[to + channel] = above + (below - above) * dy;
  }
}
