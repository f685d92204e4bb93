import { InputError } from '../errors.js';
import type { Random } from '../nn/random.js';
import { augmentPixels, randomResizedCropBox } from './augment.js';
import { checkAugmentation } from './augmentation.js';
import type { Augmentation } from './augmentation.js';
import type { ImageSource } from './example.js';
import { decodeImage } from './image.node.js';
import type { ImageProcessorConfig } from './imageConfig.js';
import { geometryOf, outputSize } from './imageGeometry.js';
import { crop } from './imagePixels.js';
import type { ImageSize, RgbImage } from './imagePixels.js';
import { resize } from './imageResize.js';
import { randomErasing } from './randomErasing.js';

/** How one picture is read. */
export interface LoadOptions {
  /** Random changes; default: none. */
  readonly augment?: Augmentation;
  /** What the changes are drawn from; needed with `augment`. */
  readonly random?: Random;
  /** The folder that relative paths start from; default: the working folder. */
  readonly baseFolder?: string;
}

/** Turns pictures into pixels as a configuration says; it needs no TensorFlow.js, so a worker may hold one. */
export class ImageLoader {
  readonly #config: ImageProcessorConfig;
  readonly #size: ImageSize;
  readonly #normalized: Float32Array;

  constructor(config: ImageProcessorConfig) {
    this.#config = config;
    this.#size = outputSize(config);
    this.#normalized = normalizedValues(config);
  }

  /**
   * One picture, row-major `[height, width, 3]`, normalised.
   *
   * @throws InputError, naming the picture, where it is missing, too large or cannot be decoded, and
   * where `augment` cannot be used.
   */
  async load(source: ImageSource, options: LoadOptions = {}): Promise<Float32Array> {
    const { augment, random, baseFolder } = options;
    if (augment) checkAugmentation(augment);
    if (augment && !random) {
      throw new InputError('image: augment needs a Random to draw from; pass random');
    }
    const image = await decodeImage(source, { maxPixels: this.#config.maxPixels, baseFolder });
    if (!augment || !random) return this.#normalize(this.#resized(image));
    const pixels = this.#normalize(this.#augmented(image, augment, random));
    if (augment.randomErasing) randomErasing(pixels, this.#size, augment.randomErasing, random);
    return pixels;
  }

  #resized(image: RgbImage): RgbImage {
    const { resized, box } = geometryOf(this.#config, image);
    const same = resized.height === image.height && resized.width === image.width;
    if (same) return crop(image, box);
    const inside = box.top >= 0 && box.left >= 0;
    if (inside) return resize(image, resized, this.#config.resample, box);
    return crop(resize(image, resized, this.#config.resample), box);
  }

  #augmented(image: RgbImage, augment: Augmentation, random: Random): RgbImage {
    const { randomResizedCrop } = augment;
    if (!randomResizedCrop) return augmentPixels(this.#resized(image), augment, random);
    const part = crop(image, randomResizedCropBox(image, randomResizedCrop, random));
    return augmentPixels(resize(part, this.#size, this.#config.resample), augment, random);
  }

  #normalize({ data }: RgbImage): Float32Array {
    const values = new Float32Array(data.length);
    for (let i = 0; i < data.length; i += 3) {
      values[i] = this.#normalized[data[i]!]!;
      values[i + 1] = this.#normalized[256 + data[i + 1]!]!;
      values[i + 2] = this.#normalized[512 + data[i + 2]!]!;
    }
    return values;
  }
}

/** What each of the 256 levels becomes, for each of the three channels. */
function normalizedValues(config: ImageProcessorConfig): Float32Array {
  const { doRescale, rescaleFactor, doNormalize, imageMean, imageStd } = config;
  const values = new Float32Array(3 * 256);
  for (let i = 0; i < values.length; i++) {
    const channel = i >> 8;
    const value = (i & 255) * (doRescale ? rescaleFactor : 1);
    values[i] = doNormalize ? (value - imageMean[channel]!) / imageStd[channel]! : value;
  }
  return values;
}
