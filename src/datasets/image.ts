import * as tf from '@tensorflow/tfjs-core';
import { ensureBackend } from '../backends/select.js';
import { InputError } from '../errors.js';
import { Random } from '../nn/random.js';
import { openPretrained } from '../weights/hub.js';
import type { PretrainedOptions, PretrainedSource } from '../weights/hub.js';
import type { ImageSource } from './example.js';
import { completeConfig } from './imageConfig.js';
import type { ImageProcessorConfig, ImageProcessorOptions } from './imageConfig.js';
import { outputSize } from './imageGeometry.js';
import { configFromJson, configToJson } from './imageJson.js';
import type { PreprocessorJson } from './imageJson.js';
import { ImageLoader } from './imageLoad.js';
import type { LoadOptions } from './imageLoad.js';
import type { ImageSize } from './imagePixels.js';

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
  readonly #loader: ImageLoader;

  /** @throws InputError where a field is unknown or its value cannot be used. */
  constructor(options: ImageProcessorOptions = {}) {
    this.config = completeConfig(options);
    this.size = outputSize(this.config);
    this.#loader = new ImageLoader(this.config);
  }

  /**
   * The image processor of a folder or hub id that holds a preprocessor_config.json.
   *
   * @throws InputError where there is none, or it asks for steps that are not done here.
   */
  static async fromPretrained(
    source: PretrainedSource,
    options: PretrainedOptions & Pick<ImageProcessorOptions, 'maxPixels'> = {},
  ): Promise<ImageProcessor> {
    const files = await openPretrained(source, options);
    if (!(await files.has(configFile))) {
      throw new InputError(
        `image: ${files.source} must hold ${configFile}, got none; pass an ImageProcessor instead`,
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
   * Pictures as a batch, float32 `[pictures, height, width, 3]`, normalised. With `augment`, `random` gives each
   * picture, in their order, the seed of a Random of its own.
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
    const { random } = options;
    // What each is changed by is settled before any is decoded: which is done first is chance.
    const each = sources.map(() => random && new Random(random.integer(2 ** 32)));
    for (let start = 0; start < sources.length; start += concurrency) {
      const part = sources.slice(start, start + concurrency);
      const pictures = await Promise.all(
        part.map((source, i) => this.load(source, { ...options, random: each[start + i] })),
      );
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
    return this.#loader.load(source, options);
  }

  /** The preprocessor_config.json, as transformers reads it. */
  toJSON(): PreprocessorJson {
    return configToJson(this.config);
  }
}
