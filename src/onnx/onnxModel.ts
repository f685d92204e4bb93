import * as tf from '@tensorflow/tfjs-core';
import { registerOnnxRuntime } from '../backends/onnxruntime/index.js';
import type { Executable, Feed, LongFeed } from '../backends/onnxruntime/runtime.js';
import { ensureBackend } from '../backends/select.js';
import type { BackendOptions } from '../backends/select.js';
import type { Calibration } from '../calibration.js';
import type { ImageProcessor } from '../datasets/image.js';
import type { ImageSize } from '../datasets/imagePixels.js';
import type { BertTokenizer } from '../datasets/tokenizer.js';
import type { BertConfig } from '../encoders/bertConfig.js';
import { checkText } from '../encoders/bertInput.js';
import type { TextInput } from '../encoders/encoder.js';
import { InputError, messageOf } from '../errors.js';
import type { Mode } from '../fusion/fusion.js';
import { checkRows, chooseMode } from '../modelInput.js';
import type { ModelConfig, ModelInput } from '../modelOptions.js';
import { predictRows } from '../predict.js';
import type { Prediction, PredictOptions, RawInput } from '../predict.js';
import { openSource } from '../weights/source.js';
import type { WeightsSource } from '../weights/source.js';
import { parseMetadata } from './metadata.js';
import type { OnnxMetadata } from './metadata.js';
import { readMetadata } from './metadataReader.js';
import { imageInput, textInputs } from './trace.js';

/**
 * A model that `toOnnx` wrote, to answer with: it runs in ONNX Runtime, whichever backend is in use, and holds no
 * parameters in JavaScript. It answers in the mode that it was exported for.
 */
export class OnnxModel {
  readonly labels: readonly string[];
  readonly mode: Mode;
  /** What config.json of the saved model holds. */
  readonly config: ModelConfig;
  readonly tokenizer?: BertTokenizer;
  readonly processor?: ImageProcessor;
  /** That of the model which was exported. */
  readonly calibration?: Calibration;
  readonly #maxLength?: number;
  readonly #imageSize?: ImageSize;
  readonly #program: Executable;

  private constructor(metadata: OnnxMetadata, program: Executable) {
    this.labels = metadata.labels;
    this.mode = metadata.mode;
    this.config = metadata.config;
    this.tokenizer = metadata.tokenizer;
    this.processor = metadata.processor;
    this.calibration = metadata.config.calibration;
    this.#maxLength = metadata.maxLength;
    this.#imageSize = metadata.imageSize;
    this.#program = program;
  }

  /**
   * Loads an exported model.
   *
   * @param from the path or URL of an .onnx file, whose `.data` file, where it has one, lies beside it; or its bytes
   * @throws InputError where it is no ONNX model, is damaged, or was not exported by this library.
   */
  static async fromPretrained(
    from: WeightsSource,
    options: Pick<BackendOptions, 'threads'> = {},
  ): Promise<OnnxModel> {
    const source = await openSource(from);
    try {
      const metadata = await parseMetadata(await readMetadata(source), source.name);
      const isFile =
        (typeof from === 'string' || from instanceof URL) && !/^https?:/.test(String(from));
      const runtime = await registerOnnxRuntime(options).executor.runtime();
      const model = isFile ? source.name : await source.read(0, source.size);
      const program = runtime.open(model, ['logits']);
      return new OnnxModel(metadata, await program.catch((error) => refuse(source.name, error)));
    } finally {
      await source.close();
    }
  }

  /** The class of each raw row, in their order. @throws InputError where a row cannot be read */
  async predict(rows: readonly RawInput[], options: PredictOptions = {}): Promise<Prediction[]> {
    this.#checkMode(options.mode);
    return predictRows(
      this,
      rows,
      { ...options, mode: this.mode },
      async (inputs, _, temperature) =>
        softmax(await this.#run(inputs), this.labels.length, temperature),
    );
  }

  /**
   * Logits [batch, classes], for the caller to dispose.
   *
   * @throws InputError where an input that the mode needs is missing or unfit.
   */
  async forward(inputs: ModelInput, { mode }: { readonly mode?: Mode } = {}): Promise<tf.Tensor2D> {
    this.#checkMode(mode);
    chooseMode(inputs, this.mode);
    const logits = await this.#run(inputs);
    ensureBackend();
    return tf.tensor2d(logits, [logits.length / this.labels.length, this.labels.length]);
  }

  /** The number of tokens at which texts are cut: what is asked for, within what tokenizer and encoder take. */
  textLength(asked = Infinity): number | undefined {
    const own = Math.min(this.tokenizer?.maxLength ?? Infinity, this.#maxLength ?? Infinity);
    const length = Math.min(asked, own);
    return Number.isFinite(length) ? length : undefined;
  }

  /** Frees what ONNX Runtime holds. */
  dispose(): Promise<void> {
    return this.#program.release();
  }

  #checkMode(mode: Mode | undefined): void {
    if (mode === undefined || mode === this.mode) return;
    throw new InputError(
      `OnnxModel: the mode must be '${this.mode}', for which the model was exported, got '${mode}'; ` +
        `export it again with { mode: '${mode}' }`,
    );
  }

  async #run(inputs: ModelInput): Promise<Float32Array> {
    const { text, image } = inputs;
    if (this.mode === 'both') checkRows(inputs);
    const feeds = [
      ...(this.mode === 'image' ? [] : await this.#textFeeds(text!)),
      ...(this.mode === 'text' ? [] : [await this.#imageFeed(image!)]),
    ];
    const [logits] = await this.#program.run(feeds);
    return logits as Float32Array;
  }

  async #textFeeds(text: TextInput): Promise<LongFeed[]> {
    const { modelType, ...config } = this.config.text;
    if (modelType === 'bert') checkText(text, config as BertConfig);
    const { inputIds, attentionMask, tokenTypeIds } = text;
    const { shape, size } = inputIds;
    const values = [
      await inputIds.data(),
      (await attentionMask?.data()) ?? new Int32Array(size).fill(1),
      (await tokenTypeIds?.data()) ?? new Int32Array(size),
    ];
    return values.map((ids, i) => {
      const data = BigInt64Array.from(ids as Int32Array, (id) => BigInt(id));
      return { name: textInputs[i]!, dtype: 'int64', shape, data };
    });
  }

  async #imageFeed(image: tf.Tensor4D): Promise<Feed> {
    const { height, width } = this.#imageSize!;
    const { shape } = image;
    if (image.rank !== 4 || shape[1] !== height || shape[2] !== width || shape[3] !== 3) {
      throw new InputError(
        `OnnxModel: image must be [batch, ${height}, ${width}, 3], got [${shape.join(', ')}]; ` +
          'make it with the ImageProcessor that was exported, or export for another imageSize',
      );
    }
    const data = channelsFirst(await image.data(), height * width, 3);
    return { name: imageInput, dtype: 'float32', shape: [shape[0], 3, height, width], data };
  }
}

/** [pictures, pixels, channels] to [pictures, channels, pixels]. */
function channelsFirst(values: ArrayLike<number>, pixels: number, channels: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += pixels * channels) {
    for (let channel = 0; channel < channels; channel++) {
      const to = start + channel * pixels;
      for (let i = 0; i < pixels; i++) turned[to + i] = values[start + i * channels + channel]!;
    }
  }
  return turned;
}

/** The probabilities of each row of logits [rows, classes] divided by a temperature. */
function softmax(logits: Float32Array, classes: number, temperature: number): Float32Array {
  const probabilities = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes);
    const largest = Math.max(...row);
    const powers = Array.from(row, (value) => Math.exp((value - largest) / temperature));
    const sum = powers.reduce((total, power) => total + power, 0);
    powers.forEach((power, i) => (probabilities[start + i] = power / sum));
  }
  return probabilities;
}

function refuse(name: string, error: unknown): never {
  throw new InputError(
    `OnnxModel: ${name} must be a whole model that ONNX Runtime can run, but: ${messageOf(error)}; export it again`,
    { cause: error },
  );
}
