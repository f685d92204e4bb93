import type { Random } from '../nn/random.js';
import { adjustBrightness, adjustContrast, adjustSaturation } from './augmentColor.js';
import { nearest, rotationMatrix, shearMatrix, shiftMatrix } from './augmentNearest.js';
import { adjustSharpness, autoContrast, equalize, posterize, solarize } from './augmentTone.js';
import { roundHalfEven } from './imageGeometry.js';
import type { ImageSize, RgbImage } from './imagePixels.js';

/** How torchvision's RandAugment draws. */
export interface RandAugmentOptions {
  /** How many changes a picture goes through (default 2). */
  readonly numOps?: number;
  /** How strong they are: a bin, from 0 to `numMagnitudeBins` - 1 (default 9). */
  readonly magnitude?: number;
  /** Default 31. */
  readonly numMagnitudeBins?: number;
}

/** One kind of change. */
interface Operation {
  /** Its strength in each bin; absent where it has none. */
  readonly magnitudes?: (bins: number, size: ImageSize) => number[];
  /** Whether it goes either way. */
  readonly signed?: boolean;
  readonly apply: (image: RgbImage, magnitude: number, fill: readonly number[]) => RgbImage;
}

/** So far a picture is shifted at most: this part of its side. */
const farthest = 150 / 331;

const upTo =
  (most: number): Operation['magnitudes'] =>
  (bins) =>
    linspace(0, most, bins);

/** What may happen to a picture, in torchvision's order. */
export const randAugmentOperations: Readonly<Record<string, Operation>> = {
  Identity: { apply: (image) => image },
  ShearX: {
    magnitudes: upTo(0.3),
    signed: true,
    apply: (image, by, fill) => nearest(image, shearMatrix(by, 0), fill),
  },
  ShearY: {
    magnitudes: upTo(0.3),
    signed: true,
    apply: (image, by, fill) => nearest(image, shearMatrix(0, by), fill),
  },
  TranslateX: {
    magnitudes: (bins, { width }) => linspace(0, farthest * width, bins),
    signed: true,
    apply: (image, by, fill) => nearest(image, shiftMatrix(Math.trunc(by), 0), fill),
  },
  TranslateY: {
    magnitudes: (bins, { height }) => linspace(0, farthest * height, bins),
    signed: true,
    apply: (image, by, fill) => nearest(image, shiftMatrix(0, Math.trunc(by)), fill),
  },
  Rotate: {
    magnitudes: upTo(30),
    signed: true,
    apply: (image, by, fill) => nearest(image, rotationMatrix(by, image), fill),
  },
  Brightness: colour(adjustBrightness),
  Color: colour(adjustSaturation),
  Contrast: colour(adjustContrast),
  Sharpness: colour(adjustSharpness),
  Posterize: {
    magnitudes: (bins) =>
      Array.from({ length: bins }, (_, bin) => 8 - roundHalfEven(bin / ((bins - 1) / 4))),
    apply: posterize,
  },
  Solarize: { magnitudes: (bins) => linspace(255, 0, bins), apply: solarize },
  AutoContrast: { apply: autoContrast },
  Equalize: { apply: equalize },
};

function colour(adjust: (image: RgbImage, factor: number) => RgbImage): Operation {
  return {
    magnitudes: upTo(0.9),
    signed: true,
    apply: (image, by) => adjust(image, 1 + by),
  };
}

/** torch.linspace in float32, from both ends as it is computed there. */
function linspace(start: number, end: number, count: number): number[] {
  if (count === 1) return [Math.fround(start)];
  const step = Math.fround((Math.fround(end) - Math.fround(start)) / (count - 1));
  return Array.from({ length: count }, (_, i) =>
    i < count / 2
      ? Math.fround(Math.fround(start) + step * i)
      : Math.fround(Math.fround(end) - step * (count - 1 - i)),
  );
}

/**
 * RandAugment (Cubuk et al., 2020), as torchvision's: changes that are drawn anew for each picture, all of one strength.
 *
 * @param fill the colour of what a moved picture leaves open
 */
export function randAugment(
  image: RgbImage,
  { numOps = 2, magnitude = 9, numMagnitudeBins = 31 }: RandAugmentOptions,
  fill: readonly number[],
  random: Random,
): RgbImage {
  const operations = Object.values(randAugmentOperations);
  let result = image;
  for (let i = 0; i < numOps; i++) {
    const { magnitudes, signed, apply } = operations[random.integer(operations.length)]!;
    const strength = magnitudes?.(numMagnitudeBins, result)[magnitude] ?? 0;
    const sign = signed && random.integer(2) === 1 ? -1 : 1;
    result = apply(result, sign * strength, fill);
  }
  return result;
}
