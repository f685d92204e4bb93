import { InputError } from '../errors.js';
import type { RandAugmentOptions } from './randAugment.js';
import type { RandomErasingOptions } from './randomErasing.js';

/** The least and the greatest. */
export type Range = readonly [number, number];

/** What RandomResizedCrop cuts out. */
export interface RandomResizedCropOptions {
  /** The share of the picture's area; default 0.08 to 1. */
  readonly scale?: Range;
  /** Width over height; default 3/4 to 4/3. */
  readonly ratio?: Range;
}

/** Random changes of a training example; what is left out is not done. */
export interface Augmentation {
  /** A random part of the picture, resized, instead of the processor's resize and crop. */
  readonly randomResizedCrop?: RandomResizedCropOptions;
  /** The probability of mirroring. */
  readonly horizontalFlip?: number;
  /** Turns by up to so many degrees, either way. */
  readonly rotation?: number;
  /** Moves by up to this share of the width and of the height, either way. */
  readonly shift?: number | Range;
  /** Enlarges by a factor between these two. */
  readonly scale?: Range;
  /** The colour, 0 to 255, of what a turned or moved picture leaves open; default black. */
  readonly fill?: readonly [number, number, number];
  /** Brightness is multiplied by a factor in 1 - b ... 1 + b. */
  readonly brightness?: number;
  /** Contrast, likewise. */
  readonly contrast?: number;
  /** Saturation, likewise. */
  readonly saturation?: number;
  /** Hues turn by up to this part of the circle, at most 0.5. */
  readonly hue?: number;
  /** Some of fourteen changes, drawn anew for each picture, after those above: `{}` for torchvision's defaults. */
  readonly randAugment?: RandAugmentOptions;
  /** Covers a random part of the picture, at last: `{}` for torchvision's defaults. */
  readonly randomErasing?: RandomErasingOptions;
  /** The probability that a word is left out; one always stays. */
  readonly wordDropout?: number;
}

/** The original notebook's: RandomResizedCrop(scale = (0.5, 1)) and RandomHorizontalFlip. */
export const notebookAugmentation: Augmentation = {
  randomResizedCrop: { scale: [0.5, 1] },
  horizontalFlip: 0.5,
};

const bounds: Readonly<Partial<Record<keyof Augmentation, Range>>> = {
  horizontalFlip: [0, 1],
  rotation: [0, 180],
  brightness: [0, Infinity],
  contrast: [0, Infinity],
  saturation: [0, Infinity],
  hue: [0, 0.5],
  wordDropout: [0, 1],
};
const fields = [
  ...Object.keys(bounds),
  ...['randomResizedCrop', 'shift', 'scale', 'fill', 'randAugment', 'randomErasing'],
];

/** @throws InputError where a field is unknown or outside of its range. */
export function checkAugmentation(augmentation: Augmentation): void {
  const unknown = Object.keys(augmentation).find((name) => !fields.includes(name));
  if (unknown !== undefined) {
    throw new InputError(`augment: the fields are ${fields.join(', ')}, got ${unknown}`);
  }
  for (const [name, [low, high]] of Object.entries(bounds)) {
    const value = augmentation[name as keyof Augmentation] ?? low;
    if (typeof value === 'number' && value >= low && value <= high) continue;
    throw new InputError(
      `augment: ${name} must be a number from ${low} to ${high}, got ${String(value)}`,
    );
  }
  checkRanges(augmentation);
  checkRandAugment(augmentation.randAugment);
  checkRandomErasing(augmentation.randomErasing);
}

function checkRandAugment(options: RandAugmentOptions = {}): void {
  const { numOps = 2, magnitude = 9, numMagnitudeBins: bins = 31, ...others } = options;
  checkNames('randAugment', 'numOps, magnitude, numMagnitudeBins', others);
  const whole = (low: number, high: number) => (value: readonly number[]) =>
    Number.isInteger(value[0]) && value[0]! >= low && value[0]! <= high;
  checkNumbers('randAugment.numOps', 'an integer from 1', [numOps], whole(1, Infinity));
  checkNumbers('randAugment.numMagnitudeBins', 'an integer from 2', [bins], whole(2, Infinity));
  const last = bins - 1;
  checkNumbers('randAugment.magnitude', `a bin from 0 to ${last}`, [magnitude], whole(0, last));
}

function checkRandomErasing(options: RandomErasingOptions = {}): void {
  const { probability = 0.5, scale, ratio, value = 'mean', ...others } = options;
  checkNames('randomErasing', 'probability, scale, ratio, value', others);
  checkNumbers('randomErasing.probability', 'from 0 to 1', [probability], ([p]) => {
    return p! >= 0 && p! <= 1;
  });
  checkNumbers('randomErasing.scale', '0 < low <= high <= 1', scale, (range) => {
    return isRange(range) && range[1]! <= 1;
  });
  checkNumbers('randomErasing.ratio', '0 < low <= high', ratio, isRange);
  if (value === 'mean' || value === 'random') return;
  throw new InputError(`augment: randomErasing.value must be mean or random, got ${String(value)}`);
}

function checkNames(owner: string, known: string, others: object): void {
  const [unknown] = Object.keys(others);
  if (unknown === undefined) return;
  throw new InputError(`augment: the fields of ${owner} are ${known}, got ${unknown}`);
}

function checkRanges(augmentation: Augmentation): void {
  const { randomResizedCrop: cut, scale, fill } = augmentation;
  checkNumbers('randomResizedCrop.scale', '0 < low <= high <= 1', cut?.scale, (range) => {
    return isRange(range) && range[1]! <= 1;
  });
  checkNumbers('randomResizedCrop.ratio', '0 < low <= high', cut?.ratio, isRange);
  checkNumbers('scale', '0 < low <= high', scale, isRange);
  checkNumbers('shift', 'one or two from 0 to 1', shiftOf(augmentation), (shares) => {
    return shares.length === 2 && shares.every((share) => share >= 0 && share <= 1);
  });
  checkNumbers('fill', 'three from 0 to 255', fill, (levels) => {
    return levels.length === 3 && levels.every((level) => level >= 0 && level <= 255);
  });
}

/** Which inputs of a row are changed at random. */
export function changedInputs(augmentation: Augmentation = {}): {
  readonly text: boolean;
  readonly image: boolean;
} {
  const { wordDropout = 0, fill: _, ...ofPictures } = augmentation;
  const changes = Object.values(ofPictures).some((value) => value !== undefined && value !== 0);
  return { text: wordDropout > 0, image: changes };
}

function isRange(range: readonly number[]): boolean {
  const [low = NaN, high = NaN] = range;
  return range.length === 2 && low > 0 && low <= high && high < Infinity;
}

function checkNumbers(
  name: string,
  wanted: string,
  value: readonly number[] | undefined,
  allowed: (value: readonly number[]) => boolean,
): void {
  if (value === undefined || (Array.isArray(value) && allowed(value))) return;
  throw new InputError(`augment: ${name} must be ${wanted}, got ${JSON.stringify(value)}`);
}

/** How far a picture moves at most, in shares of its width and of its height. */
export function shiftOf({ shift = 0 }: Augmentation): Range {
  return typeof shift === 'number' ? [shift, shift] : shift;
}
