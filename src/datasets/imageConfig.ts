import { InputError } from '../errors.js';
import type { ImageSize } from './imagePixels.js';
import { resamples } from './imageResize.js';
import type { Resample } from './imageResize.js';

/** How large a picture becomes: its shorter side, or both sides (its shape then changes). */
export type ResizeTo = { readonly shortestEdge: number } | ImageSize;

/** What is done to a picture: a preprocessor_config.json in camelCase. Sizes are in pixels. */
export interface ImageProcessorConfig {
  /** The class of transformers that does the same. */
  readonly imageProcessorType: string;
  readonly doResize: boolean;
  readonly size: ResizeTo;
  readonly resample: Resample;
  readonly doCenterCrop: boolean;
  readonly cropSize: ImageSize;
  /**
   * Where a crop begins that leaves an odd number of pixels: `floor` leaves the smaller half before
   * it, as transformers; `round` rounds half to even, as torchvision.
   */
  readonly cropOffset: 'floor' | 'round';
  /**
   * ConvNext's own rule: a size below 384 is cropped from a picture whose shorter side is size /
   * cropPct; any other is distorted to a square.
   */
  readonly cropPct?: number;
  readonly doRescale: boolean;
  readonly rescaleFactor: number;
  readonly doNormalize: boolean;
  readonly imageMean: readonly number[];
  readonly imageStd: readonly number[];
  /** A picture of more pixels is refused before it is decoded. */
  readonly maxPixels: number;
}

type PlainFields = Omit<ImageProcessorConfig, 'size' | 'cropSize' | 'resample'>;

/** A configuration of which anything may be left out. */
export type ImageProcessorOptions = Partial<PlainFields> & {
  /** A number is the shorter side. */
  readonly size?: number | ResizeTo;
  /** A number is the side of a square. */
  readonly cropSize?: number | ImageSize;
  /** A name, or Pillow's number. */
  readonly resample?: Resample | number;
};

/** torchvision's Resize(256), CenterCrop(224), Normalize(CLIP's mean and deviation). */
export const defaultConfig: ImageProcessorConfig = {
  imageProcessorType: 'CLIPImageProcessor',
  doResize: true,
  size: { shortestEdge: 256 },
  resample: 'bilinear',
  doCenterCrop: true,
  cropSize: { height: 224, width: 224 },
  cropOffset: 'round',
  doRescale: true,
  rescaleFactor: 1 / 255,
  doNormalize: true,
  imageMean: [0.48145466, 0.4578275, 0.40821073],
  imageStd: [0.26862954, 0.26130258, 0.27577711],
  maxPixels: 100_000_000,
};

const fields = [...Object.keys(defaultConfig), 'cropPct'];

/** A square of this side. */
export const square = (side: number): ImageSize => ({ height: side, width: side });

/**
 * Completes and checks a configuration. Where `size` is given and `cropSize` is not, the crop is a
 * square of the shorter side, or none where both sides are given.
 *
 * @throws InputError where a field is unknown or its value cannot be used.
 */
export function completeConfig(options: ImageProcessorOptions): ImageProcessorConfig {
  const unknown = Object.keys(options).find((key) => !fields.includes(key));
  if (unknown !== undefined) {
    throw new InputError(`image: the settings are ${fields.join(', ')}, got ${unknown}`);
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const size = options.size === undefined ? defaultConfig.size : resizeTo(options.size);
  return checkConfig({
    ...defaultConfig,
    doCenterCrop: cropsByDefault(options, size),
    ...Object.fromEntries(given),
    size,
    cropSize: cropSizeOf(options, size),
    resample: resampleOf(options.resample ?? defaultConfig.resample),
  });
}

function cropsByDefault({ cropSize, cropPct }: ImageProcessorOptions, size: ResizeTo): boolean {
  return cropSize !== undefined || ('shortestEdge' in size && cropPct === undefined);
}

function cropSizeOf({ size, cropSize }: ImageProcessorOptions, to: ResizeTo): ImageSize {
  if (cropSize !== undefined) return sides('cropSize', cropSize);
  if (size === undefined) return defaultConfig.cropSize;
  return 'shortestEdge' in to ? square(to.shortestEdge) : to;
}

function resizeTo(size: number | ResizeTo): ResizeTo {
  const edge = typeof size === 'number' ? size : 'shortestEdge' in size && size.shortestEdge;
  return edge === false ? sides('size', size as ImageSize) : { shortestEdge: edge };
}

function sides(name: string, size: number | ImageSize): ImageSize {
  if (typeof size === 'number') return square(size);
  const { height, width } = size;
  if (height !== undefined && width !== undefined) return { height, width };
  throw new InputError(
    `image: ${name} must be a number or {height, width}, got ${JSON.stringify(size)}`,
  );
}

/** @throws InputError where this is neither a name nor a number of a way to resize. */
export function resampleOf(value: Resample | number): Resample {
  const name = typeof value === 'number' ? resamples[value] : value;
  if (name !== undefined && resamples.includes(name)) return name;
  throw new InputError(
    `image: resample must be one of ${resamples.join(', ')} (0 to 5), got ${String(value)}`,
  );
}

/** @throws InputError where a value cannot be used, or pictures would come out unequally large. */
export function checkConfig(config: ImageProcessorConfig): ImageProcessorConfig {
  const { size, cropSize, maxPixels, cropPct, rescaleFactor } = config;
  for (const [name, value] of Object.entries({ ...size, ...cropSize, maxPixels })) {
    if (Number.isInteger(value) && value > 0) continue;
    throw new InputError(`image: ${name} must be a positive integer, got ${value}`);
  }
  if (cropPct !== undefined && !(cropPct > 0 && cropPct <= 1)) {
    throw new InputError(`image: cropPct must be above 0 and at most 1, got ${cropPct}`);
  }
  if (!Number.isFinite(rescaleFactor)) {
    throw new InputError(`image: rescaleFactor must be a number, got ${rescaleFactor}`);
  }
  checkChannels('imageMean', config.imageMean, -Infinity);
  checkChannels('imageStd', config.imageStd, 0);
  checkShape(config);
  return config;
}

function checkChannels(name: string, values: readonly number[], above: number): void {
  const good = Array.isArray(values) && values.every((v) => Number.isFinite(v) && v > above);
  if (good && values.length === 3) return;
  throw new InputError(
    `image: ${name} must be three numbers (red, green, blue), got ${JSON.stringify(values)}`,
  );
}

// A batch is one tensor, so that every picture must come out equally large.
function checkShape({ doResize, size, doCenterCrop, cropPct }: ImageProcessorConfig): void {
  const edge = 'shortestEdge' in size;
  if (cropPct !== undefined && (!edge || !doResize || doCenterCrop)) {
    throw new InputError(
      'image: with cropPct, size must be {shortestEdge}, doResize true and doCenterCrop false',
    );
  }
  if (cropPct !== undefined || doCenterCrop || (doResize && !edge)) return;
  throw new InputError(
    'image: every picture must come out equally large: size must be {height, width}, or ' +
      `doCenterCrop true, got doResize ${doResize}, size ${JSON.stringify(size)} and no crop`,
  );
}
