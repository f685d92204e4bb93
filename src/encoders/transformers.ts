import type { ImageSource } from '../datasets/example.js';
import type { PixelValues } from '../datasets/features.js';
import { decodeImage } from '../datasets/image.node.js';
import { completeConfig } from '../datasets/imageConfig.js';
import { InputError, messageOf } from '../errors.js';
import { Module } from '../nn/module.js';
import { requireChoice } from './config.js';
import type { EncoderConfig, ImageEncoder, TextEncoder } from './encoder.js';
import { poolRows } from './hostPooling.js';
import type { HostPooling } from './hostPooling.js';
import { openFeatureExtraction, openImageFeatureExtraction } from './transformersPackage.js';
import type { ImageNetwork, TextNetwork, TransformersLoading } from './transformersPackage.js';

/** Which model of the hub is loaded, and how. */
export interface TransformersOptions extends TransformersLoading {
  /**
   * How the vectors of a row become one: `cls` takes the first that counts, `mean` the mean of those that the mask keeps,
   * or of all places of a map, `pooler` what the model's own pooler gives. Of texts `mean` is the default, of pictures
   * `cls`, or `mean` where the model gives a map.
   */
  readonly pooling?: HostPooling;
}

/** What config.json keeps of an encoder that @huggingface/transformers runs. */
export interface TransformersConfig extends EncoderConfig {
  readonly modelType: 'transformers';
  /** The hub id, or the folder as it was given. */
  readonly model: string;
  readonly revision: string;
  readonly dtype: string;
  readonly pooling: HostPooling;
  readonly featureSize: number;
  /** The first features of a fixed text or picture, by which other weights are told. */
  readonly probe: readonly number[];
}

/** So many features tell weights apart. */
const probeLength = 8;
/** By how much of their largest they may differ between machines, devices and versions of ONNX Runtime. */
const probeTolerance = 0.05;
const probeText = 'a picture of 2 dogs in the snow';

/** What the two kinds of encoders have in common. */
abstract class TransformersEncoder<Network extends { dispose(): void }> extends Module {
  constructor(
    readonly config: TransformersConfig,
    protected readonly network: Network,
  ) {
    super();
  }

  /** Always: there is nothing in it that could be trained, and it evaluates in training as well. */
  override get frozen(): boolean {
    return true;
  }

  override set frozen(_frozen: boolean) {
    // It stays as it is.
  }

  get featureSize(): number {
    return this.config.featureSize;
  }

  /** Refused: the model runs outside of TensorFlow.js, and only asynchronously. */
  forward(): never {
    throw new InputError(
      `transformers: ${this.config.model} reads rows as they are, and no tensors; use model.predict, evaluate and the ` +
        'Trainer, or give its features to model.classify: tf.tensor2d(await encoder.extract...(rows), [rows, featureSize])',
    );
  }

  override dispose(): void {
    super.dispose();
    this.network.dispose();
  }
}

/**
 * A text encoder that @huggingface/transformers runs, frozen: any feature-extraction model of the hub that has an ONNX
 * file, with its own tokenizer, in Node and in a browser. The package is installed beside this one.
 *
 * Its features are computed when a batch is read, outside of the training step: no gradient reaches it, and
 * `model.forward`, which takes tensors, cannot run it.
 */
export class TransformersTextEncoder
  extends TransformersEncoder<TextNetwork>
  implements TextEncoder
{
  /**
   * @param model a hub id, or (in Node) a folder in the hub's layout, with `onnx/model.onnx`
   * @throws InputError where the package is not installed, or the model cannot be loaded or gives no features.
   */
  static async fromPretrained(
    model: string,
    options: TransformersOptions = {},
  ): Promise<TransformersTextEncoder> {
    const { pooling = 'mean', revision = 'main', dtype = 'fp32' } = options;
    requireChoice('transformers', 'pooling', pooling, poolings);
    const opened = await openFeatureExtraction(model, { ...options, revision, dtype });
    const features = await tryOut(model, async () =>
      poolRows(await opened.run([probeText]), pooling),
    );
    const config = configOf({ model, revision, dtype, pooling }, features);
    return new TransformersTextEncoder(config, opened);
  }

  /**
   * The encoder that a saved model names.
   *
   * @throws InputError as `fromPretrained`, and where what is loaded has other weights than the model was trained with.
   */
  static async fromConfig(config: TransformersConfig): Promise<TransformersTextEncoder> {
    const { model, revision, dtype, pooling } = config;
    const encoder = await this.fromPretrained(model, { revision, dtype, pooling });
    return requireSame(encoder, config, 'text');
  }

  /** The longest text, in tokens, where the model says. */
  get maxLength(): number | undefined {
    return this.network.maxLength;
  }

  /** The features of texts, row-major [texts.length, featureSize]; texts are cut at `maxLength` tokens. */
  async extractTexts(
    texts: readonly string[],
    { maxLength }: { readonly maxLength?: number } = {},
  ): Promise<Float32Array> {
    const states = await this.network.run(texts, maxLength ?? this.maxLength);
    return poolRows(states, this.config.pooling);
  }
}

/**
 * An image encoder that @huggingface/transformers runs, frozen: any image-feature-extraction model of the hub that has
 * an ONNX file, with its own image processor. As {@link TransformersTextEncoder}.
 */
export class TransformersImageEncoder
  extends TransformersEncoder<ImageNetwork>
  implements ImageEncoder
{
  /**
   * @param model a hub id, or (in Node) a folder in the hub's layout, with `onnx/model.onnx`
   * @throws InputError where the package is not installed, or the model cannot be loaded or gives no features.
   */
  static async fromPretrained(
    model: string,
    options: TransformersOptions = {},
  ): Promise<TransformersImageEncoder> {
    const { revision = 'main', dtype = 'fp32' } = options;
    if (options.pooling) requireChoice('transformers', 'pooling', options.pooling, poolings);
    const opened = await openImageFeatureExtraction(model, { ...options, revision, dtype });
    let pooling = options.pooling;
    const features = await tryOut(model, async () => {
      const states = await opened.run([await opened.process(probePicture())]);
      pooling ??= states.map === undefined ? 'cls' : 'mean';
      return poolRows(states, pooling);
    });
    const config = configOf({ model, revision, dtype, pooling: pooling! }, features);
    return new TransformersImageEncoder(config, opened);
  }

  /** As `TransformersTextEncoder.fromConfig`. */
  static async fromConfig(config: TransformersConfig): Promise<TransformersImageEncoder> {
    const { model, revision, dtype, pooling } = config;
    const encoder = await this.fromPretrained(model, { revision, dtype, pooling });
    return requireSame(encoder, config, 'image');
  }

  /**
   * One picture as the model's own processor makes it.
   *
   * @throws InputError, naming the picture, where it is missing, too large or cannot be decoded.
   */
  async readImage(source: ImageSource): Promise<PixelValues> {
    return this.network.process(await decodeImage(source, { maxPixels }));
  }

  /** The features of pictures, row-major [pictures.length, featureSize]. */
  async extractImages(pictures: readonly PixelValues[]): Promise<Float32Array> {
    return poolRows(await this.network.run(pictures), this.config.pooling);
  }
}

const poolings: readonly HostPooling[] = ['cls', 'mean', 'pooler'];
const { maxPixels } = completeConfig({});

/** A picture with a ramp in each channel. */
function probePicture(): { data: Uint8Array; width: number; height: number } {
  const [width, height] = [48, 32];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * (3 + (i % 3))) % 256);
  return { data, width, height };
}

/** The features of the probe. @throws InputError where the model gives none that could be used */
async function tryOut(model: string, run: () => Promise<Float32Array>): Promise<Float32Array> {
  let features: Float32Array;
  try {
    features = await run();
  } catch (error) {
    throw new InputError(
      `transformers: ${model} gives no features (${messageOf(error).split('\n', 1)[0]}); ` +
        'is it a feature-extraction model of this kind of input?',
    );
  }
  if (features.every((value) => Number.isFinite(value))) return features;
  throw new InputError(
    `transformers: the features of ${model} must be finite, and are not; another dtype may help`,
  );
}

function configOf(
  asked: Pick<TransformersConfig, 'model' | 'revision' | 'dtype' | 'pooling'>,
  features: Float32Array,
): TransformersConfig {
  const probe = Array.from(features.subarray(0, probeLength), (x) => Number(x.toPrecision(6)));
  return { modelType: 'transformers', ...asked, featureSize: features.length, probe };
}

function requireSame<T extends TransformersEncoder<{ dispose(): void }>>(
  encoder: T,
  { model, revision, featureSize, probe }: TransformersConfig,
  input: 'text' | 'image',
): T {
  const found = encoder.config.probe;
  const bound = probeTolerance * Math.max(...probe.map(Math.abs));
  const near = probe.every((value, i) => Math.abs(value - found[i]!) <= bound);
  if (featureSize === encoder.featureSize && near) return encoder;
  encoder.dispose();
  throw new InputError(
    `transformers: ${model} (revision ${revision}) must be the one that the saved model was trained with, and gives ` +
      `other features: ${found.join(', ')}, not ${probe.join(', ')}; load the right one and pass it: ` +
      `fromPretrained(source, { ${input}: encoder })`,
  );
}
