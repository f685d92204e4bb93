/** Shear, shift and rotation of 8-bit pixels by the nearest pixel, as torchvision does them through Pillow. */
import type { RgbImage } from './imagePixels.js';

/** From a place of the result to one of the picture: x = a u + b v + c, y = d u + e v + f. */
export type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** A shear that leaves the upper left corner where it is, x by y or y by x: torchvision's `affine(shear)` with center 0. */
export function shearMatrix(x: number, y: number): Matrix {
  const [angleX, angleY] = [Math.atan(x), Math.atan(y)];
  const a = Math.cos(-angleY) / Math.cos(angleY);
  const b = (-Math.cos(-angleY) * Math.tan(angleX)) / Math.cos(angleY);
  const c = Math.sin(-angleY) / Math.cos(angleY);
  const d = (-Math.sin(-angleY) * Math.tan(angleX)) / Math.cos(angleY) + 1;
  return [d, -b, 0, -c, a, 0];
}

/** A shift by whole pixels to the right and down. */
export function shiftMatrix(x: number, y: number): Matrix {
  return [1, 0, -x, 0, 1, -y];
}

/** A rotation around the centre, in degrees, counter-clockwise as the picture is seen: Pillow's `rotate`. */
export function rotationMatrix(angle: number, { width, height }: RgbImage): Matrix {
  const radians = -(angle * Math.PI) / 180;
  const [cosine, sine] = [round15(Math.cos(radians)), round15(Math.sin(radians))];
  const [x, y] = [width / 2, height / 2];
  return [
    ...([cosine, sine, cosine * -x + sine * -y + x] as const),
    ...([-sine, cosine, -sine * -x + cosine * -y + y] as const),
  ];
}

function round15(value: number): number {
  return Math.round(value * 1e15) / 1e15;
}

/** The picture, transformed; what comes from outside of it has the colour `fill`. Pillow's arithmetic, to the pixel. */
export function nearest(image: RgbImage, matrix: Matrix, fill: readonly number[]): RgbImage {
  const { data, width, height } = image;
  const out = new Uint8Array(data.length);
  const place = matrix[1] === 0 && matrix[3] === 0 ? stepping(matrix) : fixedPoint(matrix);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const [fromX, fromY] = place(x, y);
      const inside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      if (!inside) {
        out.set(fill, to);
        continue;
      }
      const from = (fromY * width + fromX) * 3;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { data: out, width, height };
}

type Place = (x: number, y: number) => readonly [number, number];

/** Pillow's ImagingScaleAffine, where the axes stay. */
function stepping([a, , c, , e, f]: Matrix): Place {
  return (x, y) => [Math.floor(c + a * (x + 0.5)), Math.floor(f + e * (y + 0.5))];
}

/** Pillow's affine_fixed: 16 binary digits behind the point. */
function fixedPoint([a, b, c, d, e, f]: Matrix): Place {
  const [ax, bx, dy, ey] = [a, b, d, e].map(toFixed) as [number, number, number, number];
  const [startX, startY] = [toFixed(c + a * 0.5 + b * 0.5), toFixed(f + d * 0.5 + e * 0.5)];
  return (x, y) => [(startX + ax * x + bx * y) >> 16, (startY + dy * x + ey * y) >> 16];
}

function toFixed(value: number): number {
  return Math.floor(value * 65_536 + 0.5);
}
