import * as tf from '@tensorflow/tfjs-core';
import type { Calibration } from './calibration.js';
import type { ImageProcessor } from './datasets/image.js';
import type { BertTokenizer } from './datasets/tokenizer.js';
import type { FeatureExtractors } from './datasets/features.js';
import { BertEncoder } from './encoders/bert.js';
import { requireInteger } from './encoders/config.js';
import type { ImageEncoder, TextEncoder } from './encoders/encoder.js';
import { ResNetFeatureModel } from './encoders/resnet.js';
import { InputError } from './errors.js';
import type { DirectoryHandle } from './files/fileTree.js';
import { Fusion } from './fusion/fusion.js';
import type {
  Features,
  FusionContext,
  FusionNeeds,
  FusionSizes,
  SingleMode,
} from './fusion/fusion.js';
import { createFusion } from './fusion/index.js';
import { requireNeeds } from './fusion/sequences.js';
import type { ModelParts, SaveOptions } from './modelFiles.js';
import {
  checkOptions,
  checkRows,
  chooseMode,
  defaultLabels,
  encodeImage,
  encodeText,
  extractorsOf,
  lendLayers,
  sizesOf,
} from './modelInput.js';
import type {
  CreateOptions,
  FromPretrainedOptions,
  ModelConfig,
  ModelContext,
  ModelInput,
  ModelOptions,
} from './modelOptions.js';
import { DropoutSource } from './nn/dropout.js';
import { Module, defaultSeed } from './nn/module.js';
import type { LoadOptions, LoadReport, StateDict } from './nn/stateDict.js';
import type { OnnxOptions } from './onnx/export.js';
import type { Prediction, PredictOptions, RawInput } from './predict.js';
import type { PretrainedSource } from './weights/hub.js';
import { normalizeNames, toNotebookNames } from './weights/names.js';

/**
 * A classifier of a text and a picture together: two encoders, a fusion of their features, logits. Either
 * input may be missing. In the state dict the encoders are `text_encoder` and `visual_encoder`, and the
 * fusion's layers (`mlp_both`, `mlp_text`, `mlp_image`, ...) stand beside them.
 */
export class BertResNetModel extends Module {
  readonly labels: readonly string[];
  readonly textEncoder: TextEncoder;
  readonly visualEncoder: ImageEncoder;
  readonly fusion: Fusion;
  readonly hiddenSize: number;
  readonly seed: number;
  tokenizer?: BertTokenizer;
  processor?: ImageProcessor;
  /** What `calibrate` found: `predict` applies it, `save` keeps it, and training, which outdates it, removes it. */
  calibration?: Calibration;
  /** The one input that it was trained on, if it was one: what `predict` and `evaluate` rest on where not told otherwise. */
  trainedMode?: SingleMode;
  #maxLength?: number;
  #trainingPasses = 0;

  /** @throws InputError where an option cannot be used */
  constructor(options: ModelOptions = {}) {
    checkOptions(options);
    const { labels = defaultLabels, text, image, fusion = 'mlp', hiddenSize = 512 } = options;
    const { seed = defaultSeed, initialize } = options;
    super({ seed, initialize });
    this.labels = [...labels];
    this.hiddenSize = hiddenSize;
    this.maxLength = options.maxLength;
    this.trainedMode = options.trainedMode;
    this.seed = seed;
    this.tokenizer = options.tokenizer;
    this.processor = options.processor;
    this.calibration = options.calibration;
    try {
      this.textEncoder = this.child<TextEncoder>(
        'text_encoder',
        text instanceof Module ? text : (scope) => new BertEncoder(text, scope),
      );
      this.visualEncoder = this.child<ImageEncoder>(
        'visual_encoder',
        image instanceof Module
          ? image
          : (scope) => new ResNetFeatureModel({ config: image }, scope),
      );
      const rest = { hiddenSize, classes: labels.length };
      const sizes = sizesOf(this.textEncoder, this.visualEncoder, rest);
      this.fusion = this.child(
        '',
        fusion instanceof Fusion ? fusion : (scope) => createFusion(fusion, sizes, scope),
      );
      requireNeeds(this.fusion.config, this.fusion.needs, sizes);
      requireSizes(this.fusion, sizes);
    } catch (error) {
      if (!(text instanceof Module)) this.dropChild('text_encoder');
      if (!(image instanceof Module)) this.dropChild('visual_encoder');
      if (!(fusion instanceof Fusion)) this.dropChild('');
      throw error;
    }
  }

  /** A model on pretrained encoders, from folders or hub ids, with the tokenizer and processor beside them. */
  static async create(options: CreateOptions = {}): Promise<BertResNetModel> {
    const { disposeMade, loadEncoders } = await import('./modelFiles.js');
    const loaded = await loadEncoders(options);
    try {
      return new BertResNetModel(loaded);
    } catch (error) {
      disposeMade(loaded, options);
      throw error;
    }
  }

  /** A whole model that `save` wrote, from a folder or a hub id. */
  static async fromPretrained(
    source: PretrainedSource,
    options: FromPretrainedOptions = {},
  ): Promise<BertResNetModel> {
    const { disposeMade, readModel } = await import('./modelFiles.js');
    const saved = await readModel(source, options);
    let made: ModelParts = saved.options;
    try {
      const model = new BertResNetModel(saved.options);
      made = { ...made, fusion: model.fusion };
      model.loadStateDict(saved.weights);
      return model;
    } catch (error) {
      disposeMade(made, options);
      throw error;
    }
  }

  /**
   * Writes weights, configuration, tokenizer, processor and a model card; the folder is replaced as a whole.
   *
   * @param folder its path; in a browser one in the private file system, or the handle of a directory that the page may
   *   write to.
   * @throws InputError where something in the folder would get lost, or it cannot be written; then all is as it was.
   */
  async save(folder: string | DirectoryHandle, options?: SaveOptions): Promise<void> {
    const { saveModel } = await import('./modelFiles.js');
    return saveModel(this, folder, options);
  }

  protected override get typeName(): string {
    return 'BertResNetModel';
  }

  /** What config.json keeps of this model. */
  get config(): ModelConfig {
    const { labels, hiddenSize, maxLength, trainedMode, seed } = this;
    const { textEncoder, visualEncoder, fusion } = this;
    const [text, image] = [textEncoder.config, visualEncoder.config];
    return {
      ...{ labels, text, image, fusion: fusion.config, hiddenSize, seed },
      ...(maxLength !== undefined && { maxLength }),
      ...(trainedMode !== undefined && { trainedMode }),
      ...(this.calibration && { calibration: this.calibration }),
    };
  }

  /**
   * The number of tokens at which texts are cut where no other is asked for, such as that which it was trained with;
   * undefined where tokenizer and encoder alone decide.
   *
   * @throws InputError where it is set to anything but an integer of at least 2.
   */
  get maxLength(): number | undefined {
    return this.#maxLength;
  }

  set maxLength(length: number | undefined) {
    if (length !== undefined) requireInteger('BertResNetModel', 'maxLength', length, 2);
    this.#maxLength = length;
  }

  /** Logits [batch, classes]. @throws InputError where an input that the mode needs is missing or unfit */
  forward(inputs: ModelInput, context: ModelContext = {}): tf.Tensor2D {
    const complete = this.#complete(inputs, context);
    return tf.tidy(() => this.classify(this.encode(inputs, complete), complete));
  }

  /**
   * Features of the inputs that the mode needs; a frozen encoder evaluates, and gets no gradient.
   *
   * @param needs what of them: by default, in mode `both`, what the fusion reads, and pooled vectors in the others.
   */
  encode(inputs: ModelInput, context: ModelContext = {}, needs?: FusionNeeds): Features {
    const complete = this.#complete(inputs, context);
    const { mode } = complete;
    if (mode === 'both') checkRows(inputs);
    const { textEncoder, visualEncoder, fusion } = this;
    const wanted = needs ?? (mode === 'both' ? fusion.needs : 'pooled');
    return {
      ...(mode !== 'image' && encodeText(textEncoder, inputs.text!, complete, wanted)),
      ...(mode !== 'text' && encodeImage(visualEncoder, inputs.image!, complete, wanted)),
    };
  }

  /** Logits [batch, classes] of features. @throws InputError where one that the mode needs is missing */
  classify(features: Features, context: ModelContext = {}): tf.Tensor2D {
    const complete = this.#complete(features, context);
    if (this.fusion.needs !== 'layers') return this.fusion.forward(features, complete);
    return this.fusion.forward(features, { ...complete, textLayers: lendLayers(this.textEncoder) });
  }

  /** The class of each raw row, in their order. @throws InputError where a row cannot be read */
  async predict(rows: readonly RawInput[], options?: PredictOptions): Promise<Prediction[]> {
    const { predict } = await import('./predict.js');
    return predict(this, rows, options);
  }

  /**
   * The model as an ONNX file, for one mode: inputs `input_ids`, `attention_mask`, `token_type_ids` (int64
   * [batch, length]) and `pixel_values` (float32 [batch, 3, height, width]), those of the mode, and the output `logits`
   * [batch, classes]. Batch and length are free. Labels, tokenizer and preprocessing are its metadata.
   *
   * @param path where the file is written; one of 2 GiB or more keeps its weights in `<path>.data`. Without it the
   *   bytes are returned.
   * @throws InputError where an option cannot be used, or a part of one's own cannot be expressed in ONNX.
   */
  toOnnx(path: string | URL, options?: OnnxOptions): Promise<string[]>;
  toOnnx(options?: OnnxOptions): Promise<Uint8Array>;
  async toOnnx(
    first?: string | URL | OnnxOptions,
    options?: OnnxOptions,
  ): Promise<string[] | Uint8Array> {
    const { onnxBytes, writeOnnx } = await import('./onnx/export.js');
    const isPath = typeof first === 'string' || first instanceof URL;
    return isPath ? writeOnnx(this, first, options) : onnxBytes(this, first);
  }

  /** The encoders that read rows as they are: for these inputs there is neither tokenizer nor processor. */
  get extractors(): FeatureExtractors {
    return extractorsOf(this.textEncoder, this.visualEncoder);
  }

  /**
   * The number of tokens at which texts are cut: what is asked for (default: `maxLength`), within what tokenizer and
   * encoder take.
   */
  textLength(asked = this.maxLength ?? Infinity): number | undefined {
    const { tokenizer, textEncoder } = this;
    const length = Math.min(
      asked,
      tokenizer?.maxLength ?? Infinity,
      textEncoder.maxLength ?? Infinity,
    );
    return Number.isFinite(length) ? length : undefined;
  }

  /** Freezes encoders, or thaws them: frozen, their parameters and statistics stay as they are. */
  freeze({ text, image }: { readonly text?: boolean; readonly image?: boolean }): void {
    if (text !== undefined) this.textEncoder.frozen = text;
    if (image !== undefined) this.visualEncoder.frozen = image;
  }

  /** As `Module.stateDict`; `names: 'notebook'` gives the pictures' encoder the names of an `nn.Sequential`. */
  override stateDict({ names }: { readonly names?: 'notebook' } = {}): Record<string, tf.Tensor> {
    const state = super.stateDict();
    return names === 'notebook' ? toNotebookNames(state) : state;
  }

  /**
   * As `Module.loadStateDict`; the notebook's, Hugging Face's and timm's names are understood. Encoders that get all of
   * their weights count as pretrained.
   */
  override loadStateDict(dict: StateDict, options?: LoadOptions): LoadReport {
    const own = new Set([...this.namedParameters().keys(), ...this.namedBuffers().keys()]);
    const report = super.loadStateDict(normalizeNames(dict, 'model', own), options);
    const lacks = (prefix: string): boolean =>
      report.missing.some((name) => name.startsWith(prefix));
    if (!lacks('text_encoder.')) this.textEncoder.pretrained = true;
    if (!lacks('visual_encoder.')) this.visualEncoder.pretrained = true;
    return report;
  }

  #complete(given: ModelInput | Features, context: ModelContext): FusionContext {
    const { training = false } = context;
    const mode = chooseMode(given, context.mode);
    if (!training || context.random !== undefined) return { ...context, mode, training };
    const random = new DropoutSource(this.seed, this.#trainingPasses++);
    return { ...context, mode, training, random };
  }
}

/** @throws InputError where a fusion was made for other features or other classes than the model's */
function requireSizes({ config, sizes }: Fusion, own: FusionSizes): void {
  const differing = (['textSize', 'imageSize', 'classes'] as const).filter(
    (name) => sizes[name] !== own[name],
  );
  if (differing.length === 0) return;
  const list = (of: FusionSizes): string =>
    differing.map((name) => `${name} ${of[name]}`).join(', ');
  throw new InputError(
    `fusion '${config.type}': must be made for the sizes of its model, ${list(own)}, got ${list(sizes)}; make it for ` +
      'these, or give its name and options, of which the model makes it',
  );
}
