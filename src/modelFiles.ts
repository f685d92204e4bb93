import { readCalibration } from './calibration.js';
import { ImageProcessor } from './datasets/image.js';
import type { ImageProcessorOptions } from './datasets/imageConfig.js';
import type { Resample } from './datasets/imageResize.js';
import { BertTokenizer } from './datasets/tokenizer.js';
import { BertEncoder } from './encoders/bert.js';
import type { BertConfig } from './encoders/bertConfig.js';
import { requireInteger } from './encoders/config.js';
import type { EncoderConfig, ImageEncoder, TextEncoder } from './encoders/encoder.js';
import { imagePoolings, poolings, requirePooling } from './encoders/pooling.js';
import { ResNetFeatureModel } from './encoders/resnet.js';
import type { OutputLayer } from './encoders/resnet.js';
import { resNetSizes } from './encoders/resnetConfig.js';
import type { ResNetConfig } from './encoders/resnetConfig.js';
import { TransformersImageEncoder, TransformersTextEncoder } from './encoders/transformers.js';
import type { TransformersConfig } from './encoders/transformers.js';
import { InputError } from './errors.js';
import type { DirectoryHandle } from './files/fileTree.js';
import type { BertResNetModel } from './model.js';
import { modelCard } from './modelCard.js';
import { checkOptions, createOptions } from './modelInput.js';
import type {
  CreateOptions,
  FromPretrainedOptions,
  ModelConfig,
  ModelOptions,
} from './modelOptions.js';
import { mergedState } from './nn/lora.js';
import { Module } from './nn/module.js';
import type { StateDict } from './nn/stateDict.js';
import type { ReportData } from './report/reportData.js';
import { refuseUnknown } from './schema.js';
import { openPretrained } from './weights/hub.js';
import type { PretrainedFiles, PretrainedOptions, PretrainedSource } from './weights/hub.js';
import { readWeights } from './weights/read.js';
import { writeSafetensors } from './weights/safetensors.js';

/** What is saved with a model. */
export interface SaveOptions {
  /** What `createReport` found: it fills the model card (README.md). */
  readonly report?: ReportData;
}

/** The version of config.json that this library writes, and the newest that it reads. */
export const formatVersion = 1;

/** What a saved model may consist of: nothing else in a folder is ever replaced. */
const modelFileNames = new Set([
  'model.safetensors',
  'config.json',
  'README.md',
  'tokenizer.json',
  'tokenizer_config.json',
  'preprocessor_config.json',
]);

/** Writes a model's folder; what stood there before is replaced only once all is written. */
export async function saveModel(
  model: BertResNetModel,
  target: string | DirectoryHandle,
  { report }: SaveOptions = {},
): Promise<void> {
  const { pathOfFolder, replaceFolder, writeFileAtomic } = await import('./weights/files.node.js');
  const folder = pathOfFolder(target);
  const config = { model_type: 'bertresnet', formatVersion, ...model.config };
  const state = mergedState(model);
  try {
    const writeAll = async (temporary: string): Promise<void> => {
      const write = (name: string, content: string): Promise<void> =>
        writeFileAtomic(`${temporary}/${name}`, content);
      await writeSafetensors(`${temporary}/model.safetensors`, state, {
        metadata: { format: 'pt' },
      });
      await write('config.json', json(config));
      await write('README.md', modelCard(model, report));
      await model.tokenizer?.save(temporary);
      if (model.processor !== undefined) {
        await write('preprocessor_config.json', json(model.processor.toJSON()));
      }
    };
    await replaceFolder(folder, writeAll, { owns: (name) => modelFileNames.has(name) });
  } finally {
    for (const tensor of Object.values(state)) tensor.dispose();
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** A saved model: what to construct it of, and its weights. */
export async function readModel(
  source: PretrainedSource,
  options: FromPretrainedOptions,
): Promise<{ options: ModelOptions; weights: StateDict }> {
  const files = await openPretrained(source, options);
  const config = checkConfig(await files.readJson('config.json'), files.source);
  const { labels, hiddenSize, maxLength, trainedMode, seed } = config;
  const fusion = options.fusion ?? config.fusion;
  checkOptions({ labels, hiddenSize, fusion, seed, trainedMode });
  const [tokenizer, processor] = [
    await findTokenizer(source, files, options),
    await readProcessor(source, files, options),
  ];
  const calibration = readCalibration(config.calibration, files.source);
  const weights = await readWeights(files);
  const text = options.text ?? (await textEncoder(config.text, files.source));
  try {
    const image = options.image ?? (await imageEncoder(config.image, files.source));
    const parts = { text, image, fusion, tokenizer, processor, trainedMode };
    return {
      weights,
      options: { labels, hiddenSize, maxLength, seed, calibration, initialize: false, ...parts },
    };
  } catch (error) {
    disposeMade({ text }, options);
    throw error;
  }
}

/** What of a model holds weights. */
export type ModelParts = Pick<ModelOptions, 'text' | 'image' | 'fusion'>;

/** Disposes the parts of a model that is not to be, but for those that the caller gave. */
export function disposeMade(made: ModelParts, given: ModelParts): void {
  for (const name of ['text', 'image', 'fusion'] as const) {
    const part = made[name];
    if (part instanceof Module && part !== given[name]) part.dispose();
  }
}

function checkConfig(json: object, source: string): ModelConfig {
  const { model_type: family, formatVersion: version } = json as Record<string, unknown>;
  if (family === undefined && 'training' in json) {
    throw new InputError(
      `BertResNetModel: ${source} must be a model that \`save\` wrote, and is the folder of a run; its model is ` +
        `${source}/model, pass that`,
    );
  }
  if (family !== 'bertresnet') {
    throw new InputError(
      `BertResNetModel: ${source} holds a model of the type '${String(family)}', not one that ` +
        '`save` wrote; build on pretrained encoders with BertResNetModel.create',
    );
  }
  if (typeof version !== 'number' || version > formatVersion) {
    throw new InputError(
      `BertResNetModel: ${source} has the format version ${String(version)}, and ${formatVersion} ` +
        'is the newest that this version reads; update bertresnet',
    );
  }
  const config = json as ModelConfig;
  for (const part of ['text', 'image', 'fusion'] as const) {
    const value: unknown = config[part];
    if (typeof value === 'object' && value !== null) continue;
    throw new InputError(
      `BertResNetModel: config.json of ${source} must describe its ${part}, got ` +
        `${JSON.stringify(value)}; take the file that \`save\` wrote`,
    );
  }
  return config;
}

async function textEncoder(saved: EncoderConfig, source: string): Promise<TextEncoder> {
  const { modelType, ...config } = saved;
  if (isTransformers(saved)) return TransformersTextEncoder.fromConfig(saved);
  if (modelType !== 'bert') throw foreignEncoder('text', modelType, source);
  return new BertEncoder(config as Partial<BertConfig>, { initialize: false });
}

async function imageEncoder(saved: EncoderConfig, source: string): Promise<ImageEncoder> {
  const { modelType, ...config } = saved;
  if (isTransformers(saved)) return TransformersImageEncoder.fromConfig(saved);
  if (modelType !== 'resnet') throw foreignEncoder('image', modelType, source);
  const { outputLayer, imageSize, ...geometry } = config as ResNetConfig & {
    outputLayer: OutputLayer;
    imageSize: [number, number];
  };
  return new ResNetFeatureModel(
    { config: geometry, outputLayer, imageSize },
    { initialize: false },
  );
}

function isTransformers(config: EncoderConfig): config is TransformersConfig {
  return config.modelType === 'transformers';
}

function foreignEncoder(kind: 'text' | 'image', family: string, source: string): InputError {
  return new InputError(
    `BertResNetModel: ${source} has the ${kind} encoder '${family}', which is not built in; ` +
      `pass it: fromPretrained(source, { ${kind}: encoder })`,
  );
}

/** Loads the encoders that are named, and what reads their inputs; the other options are checked before. */
export async function loadEncoders(options: CreateOptions): Promise<ModelOptions> {
  const { text = 'google-bert/bert-base-uncased', image = 'resnet50' } = options;
  const textSource = typeof text === 'string' ? text : undefined;
  const imageSource = typeof image === 'string' ? torchvisionWeights(image) : undefined;
  const geometries = {
    text: typeof text === 'string' ? undefined : text,
    image: typeof image === 'string' ? undefined : image,
  };
  checkOptions({ ...options, ...geometries }, createOptions);
  if (options.maxLength !== undefined) {
    requireInteger('BertResNetModel', 'maxLength', options.maxLength, 2);
  }
  const { pooling = {} } = options;
  checkPooling(pooling, { text: textSource, image: imageSource });
  const made: { -readonly [Name in 'text' | 'image']: ModelOptions[Name] } = { text, image };
  try {
    if (textSource !== undefined) {
      made.text = await BertEncoder.fromPretrained(textSource, {
        ...hubOptions(options),
        pooling: pooling.text,
      });
    }
    if (imageSource !== undefined) {
      made.image = await ResNetFeatureModel.fromPretrained(imageSource, {
        ...hubOptions(options),
        pooling: pooling.image,
      });
    }
    const {
      pooling: _,
      token: _t,
      cacheDir: _c,
      fetch: _f,
      hubUrl: _u,
      onProgress: _p,
      ...own
    } = options;
    return {
      ...own,
      ...made,
      tokenizer: options.tokenizer ?? (await readBeside(textSource, options, findTokenizer)),
      processor: options.processor ?? (await readBeside(imageSource, options, findProcessor)),
    };
  } catch (error) {
    disposeMade(made, options);
    throw error;
  }
}

/** Poolings are known, and are those of encoders that are still to be read. */
function checkPooling(
  pooling: NonNullable<CreateOptions['pooling']>,
  sources: Readonly<Record<'text' | 'image', string | undefined>>,
): void {
  refuseUnknown('BertResNetModel', pooling, { text: true, image: true });
  const known = { text: poolings, image: imagePoolings };
  for (const input of ['text', 'image'] as const) {
    if (pooling[input] === undefined) continue;
    requirePooling(`BertResNetModel: pooling.${input}`, pooling[input], known[input]);
    if (sources[input] !== undefined) continue;
    throw new InputError(
      `BertResNetModel: pooling.${input} must be that of a pretrained encoder, and ${input} is none by name; ` +
        'give the pooling to that encoder',
    );
  }
}

/** A known size stands for torchvision's weights, which timm keeps on the hub. */
function torchvisionWeights(image: string): string {
  return Object.hasOwn(resNetSizes, image) ? `timm/${image}.tv_in1k` : image;
}

function hubOptions(options: PretrainedOptions): PretrainedOptions {
  const { revision, token, cacheDir, fetch, hubUrl, onProgress } = options;
  return { revision, token, cacheDir, fetch, hubUrl, onProgress };
}

async function readBeside<T>(
  source: string | undefined,
  options: PretrainedOptions,
  find: (
    source: PretrainedSource,
    files: PretrainedFiles,
    options: PretrainedOptions,
  ) => Promise<T | undefined>,
): Promise<T | undefined> {
  if (source === undefined) return undefined;
  return find(source, await openPretrained(source, options), options);
}

/** A saved model has a processor only where it had one when it was saved. */
async function readProcessor(
  source: PretrainedSource,
  files: PretrainedFiles,
  options: PretrainedOptions,
): Promise<ImageProcessor | undefined> {
  if (!(await files.has('preprocessor_config.json'))) return undefined;
  return ImageProcessor.fromPretrained(source, hubOptions(options));
}

async function findTokenizer(
  source: PretrainedSource,
  files: PretrainedFiles,
  options: PretrainedOptions,
): Promise<BertTokenizer | undefined> {
  if (!(await files.has('tokenizer.json')) && !(await files.has('vocab.txt'))) return undefined;
  return BertTokenizer.fromPretrained(source, hubOptions(options));
}

/** What preprocessor_config.json says, else timm's `pretrained_cfg`, else the default transforms. */
async function findProcessor(
  source: PretrainedSource,
  files: PretrainedFiles,
  options: PretrainedOptions,
): Promise<ImageProcessor> {
  const described = await readProcessor(source, files, options);
  if (described !== undefined) return described;
  const { pretrained_cfg: timm } = (await files.readJson('config.json')) as TimmConfig;
  return new ImageProcessor(timm === undefined ? {} : timmTransforms(timm));
}

interface TimmConfig {
  readonly pretrained_cfg?: {
    readonly input_size: readonly [channels: number, height: number, width: number];
    readonly crop_pct: number;
    readonly interpolation: string;
    readonly mean: readonly number[];
    readonly std: readonly number[];
  };
}

/** timm's evaluation transforms: the shorter side to size / crop_pct, then the middle. */
function timmTransforms(timm: NonNullable<TimmConfig['pretrained_cfg']>): ImageProcessorOptions {
  const [, height, width] = timm.input_size;
  return {
    size: { shortestEdge: Math.floor(Math.min(height, width) / timm.crop_pct) },
    cropSize: { height, width },
    resample: timm.interpolation as Resample,
    imageMean: timm.mean,
    imageStd: timm.std,
  };
}
