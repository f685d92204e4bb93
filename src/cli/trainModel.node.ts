import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BertEncoder,
  BertResNetModel,
  BertTokenizer,
  ImageProcessor,
  InputError,
  TransformersImageEncoder,
  TransformersTextEncoder,
  bertConfig,
  bertConfigFromJson,
  resNetConfig,
  resNetConfigFromJson,
} from '../index.js';
import type {
  BertConfig,
  CreateOptions,
  FusionConfig,
  HostPooling,
  ResNetConfig,
} from '../index.js';
import { optionName } from './options.js';
import { defined } from './trainOptions.js';
import type { TrainValues } from './trainOptions.js';

/** What stands before a model that @huggingface/transformers runs. */
const transformersPrefix = 'transformers:';

/**
 * Makes the model that is to be trained: pretrained encoders, or with `--scratch` random weights. Encoders that
 * @huggingface/transformers runs are pretrained and frozen in either case.
 *
 * @throws InputError where a source cannot be read, or `--scratch` has no tokenizer.
 */
export async function makeModel(
  values: TrainValues,
  labels: readonly string[],
): Promise<BertResNetModel> {
  const parts = {
    ...commonOf(values, labels),
    ...(await textParts(values)),
    ...(await imageParts(values)),
  };
  if (values.scratch) return new BertResNetModel(parts);
  const model = await BertResNetModel.create(parts);
  // A visual encoder without a configuration of its own reads pictures as the notebook did.
  if (model.extractors.image === undefined) model.processor ??= new ImageProcessor();
  return model;
}

/** @throws InputError where a text encoder of random weights has no tokenizer */
export function requireTokenizer({ scratch, text, tokenizer }: TrainValues): void {
  if (!scratch || tokenizer !== undefined || transformersModel(text) !== undefined) return;
  throw new InputError(
    'train: --scratch needs --tokenizer, a folder, hub id or vocab.txt: random weights bring no vocabulary',
  );
}

type Parts = Pick<CreateOptions, 'text' | 'tokenizer' | 'image' | 'processor' | 'pooling'>;

/** The text encoder, and what makes tokens for it. */
async function textParts(values: TrainValues): Promise<Parts> {
  const { pooling, scratch, tokenizer } = values;
  const run = transformersModel(values.text);
  if (run !== undefined) {
    requireLeftOut('tokenizer', values, 'text');
    // One that is not possible for such a model is refused by name.
    const options = defined({ pooling: pooling as HostPooling | undefined });
    return { text: await TransformersTextEncoder.fromPretrained(run, options) };
  }
  if (!scratch) {
    const { text = 'google-bert/bert-base-uncased' } = values;
    return {
      text: await BertEncoder.fromPretrained(text, { pooling }),
      tokenizer: await BertTokenizer.fromPretrained(tokenizer ?? text),
    };
  }
  requireTokenizer(values);
  const { text = 'bert-base-uncased' } = values;
  const found = await BertTokenizer.fromPretrained(tokenizer!);
  return { text: await textGeometry(text, found, values), tokenizer: found };
}

/** The visual encoder, and what reads pictures for it where that does not come with it. */
async function imageParts(values: TrainValues): Promise<Parts> {
  const { image, imageSize, imagePooling, scratch } = values;
  const run = transformersModel(image);
  if (run !== undefined) {
    requireLeftOut('imageSize', values, 'image');
    requireLeftOut('imagePooling', values, 'image');
    return { image: await TransformersImageEncoder.fromPretrained(run) };
  }
  if (!scratch) {
    return defined({ image, pooling: imagePooling && { image: imagePooling } });
  }
  const processor = new ImageProcessor({ size: imageSize });
  return { image: await imageGeometry(image ?? 'resnet50', imagePooling), processor };
}

/** The hub id or folder of a model that @huggingface/transformers is to run; undefined of other sources. */
function transformersModel(source: string | undefined): string | undefined {
  if (!source?.startsWith(transformersPrefix)) return undefined;
  const model = source.slice(transformersPrefix.length);
  if (model !== '') return model;
  throw new InputError(
    `train: ${transformersPrefix} stands before a hub id or a folder, got neither; such as ` +
      `${transformersPrefix}Xenova/multilingual-e5-small`,
  );
}

function requireLeftOut(
  key: 'tokenizer' | 'imageSize' | 'imagePooling',
  values: TrainValues,
  input: 'text' | 'image',
): void {
  if (values[key] === undefined) return;
  throw new InputError(
    `train: --${input} ${values[input]} reads its input in its own way, so --${optionName(key)} must be left out`,
  );
}

function commonOf(values: TrainValues, labels: readonly string[]) {
  const { fusion, hiddenSize, seed, imageSize, notebook } = values;
  const ownPictures = imageSize !== undefined || notebook === true;
  const processor = ownPictures ? new ImageProcessor({ size: imageSize }) : undefined;
  return { labels, ...defined({ fusion: fusionOf(fusion), hiddenSize, seed, processor }) };
}

/** A fusion's name, or its name and options as JSON. */
function fusionOf(given: string | undefined): string | FusionConfig | undefined {
  return given?.trimStart().startsWith('{') ? (JSON.parse(given) as FusionConfig) : given;
}

async function textGeometry(
  source: string,
  tokenizer: BertTokenizer,
  { pooling }: TrainValues,
): Promise<Partial<BertConfig>> {
  const json = await readGeometry(source);
  const { vocabSize } = tokenizer;
  if (json === undefined) return { ...bertConfig(source), vocabSize, ...defined({ pooling }) };
  const config = bertConfigFromJson(json, source);
  if (config.vocabSize < vocabSize) {
    throw new InputError(
      `train: ${source} has ${config.vocabSize} token ids, and the tokenizer ${vocabSize}; ` +
        `set vocab_size to ${vocabSize}`,
    );
  }
  return { ...config, ...defined({ pooling }) };
}

async function imageGeometry(
  source: string,
  pooling: TrainValues['imagePooling'],
): Promise<string | ResNetConfig> {
  const json = await readGeometry(source);
  const geometry = json === undefined ? source : resNetConfigFromJson(json, source);
  if (pooling === undefined) return geometry;
  return { ...(typeof geometry === 'string' ? resNetConfig(geometry) : geometry), pooling };
}

/** The config.json that a path leads to; undefined where it is no path but the name of a known size. */
async function readGeometry(source: string): Promise<object | undefined> {
  const found = await stat(source).catch(() => undefined);
  if (found === undefined && !source.endsWith('.json')) return undefined;
  const path = found?.isDirectory() ? join(source, 'config.json') : source;
  try {
    return JSON.parse(await readFile(path, 'utf8')) as object;
  } catch (error) {
    throw new InputError(`train: ${path} is to be a config.json (${(error as Error).message})`);
  }
}
