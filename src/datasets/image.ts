import * as tf from '@tensorflow/tfjs-core';
import { ensureBackend } from '../backends/select.js';
import { InputError } from '../errors.js';
import type { Random } from '../nn/random.js';
import { openPretrained } from '../weights/hub.js';
import type { PretrainedOptions } from '../weights/hub.js';
import { augmentPixels, checkAugmentation, randomResizedCropBox } from './augment.js';
import type { Augmentation } from './augment.js';
import type { ImageSource } from './example.js';
import { decodeImage } from './image.node.js';
import { completeConfig } from './imageConfig.js';
import type { ImageProcessorConfig, ImageProcessorOptions } from './imageConfig.js';
import { geometryOf, outputSize } from './imageGeometry.js';
import { configFromJson, configToJson } from './imageJson.js';
import type { PreprocessorJson } from './imageJson.js';
import { crop } from './imagePixels.js';
import type { ImageSize, RgbImage } from './imagePixels.js';
import { resize } from './imageResize.js';

/** How one picture is read. */
export interface LoadOptions {
  /** Random changes; default: none. */
  readonly augment?: Augmentation;
  /** What the changes are drawn from; needed with `augment`. */
  readonly random?: Random;
  /** The folder that relative paths start from; default: the working folder. */
  readonly baseFolder?: string;
}

const configFile = 'preprocessor_config.json';
/** How many pictures of a batch are decoded at once. */
const concurrency = 8;

/**
 * Reads, resizes, crops and normalises pictures, as the image processor of a pretrained encoder
 * does in transformers; by default as the original notebook: shorter side to 256, centre crop 224,
 * CLIP's mean and deviation.
 *
 * Pixels equal Pillow's to the bit before they are normalised, except that 16-bit grey keeps its
 * upper 8 bits where Pillow turns nearly all of it white.
 */
export class ImageProcessor {
  readonly config: ImageProcessorConfig;
  /** The size of every picture that comes out. */
  readonly size: ImageSize;
  readonly #normalized: Float32Array;

  /** @throws InputError where a field is unknown or its value cannot be used. */
  constructor(options: ImageProcessorOptions = {}) {
    this.config = completeConfig(options);
    this.size = outputSize(this.config);
    this.#normalized = normalizedValues(this.config);
  }

  /**
   * The image processor of a folder or hub id that holds a preprocessor_config.json.
   *
   * @throws InputError where there is none, or it asks for steps that are not done here.
   */
  static async fromPretrained(
    source: string,
    options: PretrainedOptions & Pick<ImageProcessorOptions, 'maxPixels'> = {},
  ): Promise<ImageProcessor> {
    const files = await openPretrained(source, options);
    if (!(await files.has(configFile))) {
      throw new InputError(
        `image: ${source} must hold ${configFile}, got none; pass an ImageProcessor instead`,
      );
    }
    const json = (await files.readJson(configFile)) as PreprocessorJson;
    const config = configFromJson(json, `${files.source}/${configFile}`);
    return new ImageProcessor({ ...config, maxPixels: options.maxPixels ?? config.maxPixels });
  }

  /**
   * The image processor that the content of a preprocessor_config.json describes.
   *
   * @throws InputError where it asks for steps that are not done here.
   */
  static fromJSON(json: PreprocessorJson): ImageProcessor {
    return new ImageProcessor(configFromJson(json, configFile));
  }

  /**
   * Pictures as a batch, float32 `[pictures, height, width, 3]`, normalised.
   *
   * @throws InputError, naming the picture, where one is missing, too large or cannot be decoded.
   */
  async process(sources: readonly ImageSource[], options: LoadOptions = {}): Promise<tf.Tensor4D> {
    if (!Array.isArray(sources) || sources.length === 0) {
      throw new InputError('image: process needs an array of one picture or more');
    }
    const { height, width } = this.size;
    const length = height * width * 3;
    const values = new Float32Array(sources.length * length);
    for (let start = 0; start < sources.length; start += concurrency) {
      const part = sources.slice(start, start + concurrency);
      const pictures = await Promise.all(part.map((source) => this.load(source, options)));
      pictures.forEach((picture, index) => values.set(picture, (start + index) * length));
    }
    ensureBackend();
    return tf.tensor4d(values, [sources.length, height, width, 3]);
  }

  /**
   * One picture, row-major `[height, width, 3]`, normalised.
   *
   * @throws InputError as {@link ImageProcessor.process}, and where `augment` cannot be used.
   */
  async load(source: ImageSource, options: LoadOptions = {}): Promise<Float32Array> {
    const { augment, random, baseFolder } = options;
    if (augment) checkAugmentation(augment);
    if (augment && !random) {
      throw new InputError('image: augment needs a Random to draw from; pass random');
    }
    const image = await decodeImage(source, { maxPixels: this.config.maxPixels, baseFolder });
    if (!augment || !random) return this.#normalize(this.#resized(image));
    return this.#normalize(this.#augmented(image, augment, random));
  }

  /** The preprocessor_config.json, as transformers reads it. */
  toJSON(): PreprocessorJson {
    return configToJson(this.config);
  }

  #resized(image: RgbImage): RgbImage {
    const { resized, box } = geometryOf(this.config, image);
    const same = resized.height === image.height && resized.width === image.width;
    if (same) return crop(image, box);
    const inside = box.top >= 0 && box.left >= 0;
    if (inside) return resize(image, resized, this.config.resample, box);
    return crop(resize(image, resized, this.config.resample), box);
  }

  #augmented(image: RgbImage, augment: Augmentation, random: Random): RgbImage {
    const { randomResizedCrop } = augment;
    if (!randomResizedCrop) return augmentPixels(this.#resized(image), augment, random);
    const part = crop(image, randomResizedCropBox(image, randomResizedCrop, random));
    return augmentPixels(resize(part, this.size, this.config.resample), augment, random);
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
