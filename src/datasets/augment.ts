/**
 * Random changes of the training data, as torchvision's transforms of the same names draw them.
 * Everything is drawn from the Random that is passed in, so that the same key gives the same
 * picture.
 */
import type { Random } from '../nn/random.js';
import { affine } from './augmentAffine.js';
import { shiftOf } from './augmentation.js';
import type { Augmentation, RandomResizedCropOptions, Range } from './augmentation.js';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from './augmentColor.js';
import { roundHalfEven } from './imageGeometry.js';
import { flipHorizontal } from './imagePixels.js';
import type { Box, ImageSize, RgbImage } from './imagePixels.js';
import { randAugment } from './randAugment.js';

const black = [0, 0, 0] as const;

/**
 * The part that torchvision's RandomResizedCrop takes: its area and the logarithm of its ratio are
 * uniform; where ten draws do not fit, the largest central part of an allowed ratio.
 */
export function randomResizedCropBox(
  size: ImageSize,
  options: RandomResizedCropOptions,
  random: Random,
): Box {
  const { height, width } = size;
  const [low, high] = options.scale ?? [0.08, 1];
  const ratio = options.ratio ?? [3 / 4, 4 / 3];
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = height * width * random.uniform(low, high);
    const aspect = Math.exp(random.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w <= 0 || w > width || h <= 0 || h > height) continue;
    const top = random.integer(height - h + 1);
    const left = random.integer(width - w + 1);
    return { top, left, height: h, width: w };
  }
  return centralBox(size, ratio);
}

function centralBox({ height, width }: ImageSize, [low, high]: Range): Box {
  const aspect = width / height;
  const w = aspect > high ? roundHalfEven(height * high) : width;
  const h = aspect < low ? roundHalfEven(width / low) : height;
  const top = Math.floor((height - h) / 2);
  const left = Math.floor((width - w) / 2);
  return { top, left, height: h, width: w };
}

/** Mirrors, turns, moves, scales and recolours a picture, then RandAugment, in this order; its size stays. */
export function augmentPixels(
  image: RgbImage,
  augmentation: Augmentation,
  random: Random,
): RgbImage {
  const mirrored = randomFlip(image, augmentation, random);
  const recoloured = jitter(randomAffine(mirrored, augmentation, random), augmentation, random);
  const { randAugment: options, fill = black } = augmentation;
  return options === undefined ? recoloured : randAugment(recoloured, options, fill, random);
}

function randomFlip(image: RgbImage, augmentation: Augmentation, random: Random): RgbImage {
  const { horizontalFlip = 0 } = augmentation;
  return horizontalFlip > 0 && random.uniform() < horizontalFlip ? flipHorizontal(image) : image;
}

function randomAffine(image: RgbImage, augmentation: Augmentation, random: Random): RgbImage {
  const { rotation = 0, scale = [1, 1], fill = black } = augmentation;
  const [shiftX, shiftY] = shiftOf(augmentation);
  const still = rotation === 0 && shiftX === 0 && shiftY === 0;
  if (still && scale[0] === 1 && scale[1] === 1) return image;
  const angle = random.uniform(-rotation, rotation);
  const [farX, farY] = [shiftX * image.width, shiftY * image.height];
  const translate = [
    roundHalfEven(random.uniform(-farX, farX)),
    roundHalfEven(random.uniform(-farY, farY)),
  ] as const;
  const factor = random.uniform(scale[0], scale[1]);
  return affine(image, { angle, translate, scale: factor }, fill);
}

/** torchvision's ColorJitter: the four changes in random order. */
function jitter(image: RgbImage, augmentation: Augmentation, random: Random): RgbImage {
  const { brightness = 0, contrast = 0, saturation = 0, hue = 0 } = augmentation;
  if (!(brightness || contrast || saturation || hue)) return image;
  const factor = (strength: number) => random.uniform(Math.max(0, 1 - strength), 1 + strength);
  let result = image;
  for (const change of random.permutation(4)) {
    if (change === 0 && brightness > 0) result = adjustBrightness(result, factor(brightness));
    if (change === 1 && contrast > 0) result = adjustContrast(result, factor(contrast));
    if (change === 2 && saturation > 0) result = adjustSaturation(result, factor(saturation));
    if (change === 3 && hue > 0) result = adjustHue(result, random.uniform(-hue, hue));
  }
  return result;
}

/** A text without some of its words: word dropout (Iyyer et al. 2015). One word always stays. */
export function augmentText(text: string, augmentation: Augmentation, random: Random): string {
  const { wordDropout = 0 } = augmentation;
  if (wordDropout === 0) return text;
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return text;
  const kept = words.filter(() => random.uniform() >= wordDropout);
  return kept.length > 0 ? kept.join(' ') : words[random.integer(words.length)]!;
}
