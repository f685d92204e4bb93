import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BertEncoder,
  BertResNetModel,
  BertTokenizer,
  ImageProcessor,
  InputError,
  bertConfig,
  bertConfigFromJson,
  resNetConfigFromJson,
} from '../index.js';
import type { BertConfig, FusionConfig, ResNetConfig } from '../index.js';
import { defined } from './trainOptions.js';
import type { TrainValues } from './trainOptions.js';

/**
 * Makes the model that is to be trained: pretrained encoders, or with `--scratch` random weights.
 *
 * @throws InputError where a source cannot be read, or `--scratch` has no tokenizer.
 */
export async function makeModel(
  values: TrainValues,
  labels: readonly string[],
): Promise<BertResNetModel> {
  return values.scratch ? scratchModel(values, labels) : pretrainedModel(values, labels);
}

async function pretrainedModel(
  values: TrainValues,
  labels: readonly string[],
): Promise<BertResNetModel> {
  const { text = 'google-bert/bert-base-uncased', image, tokenizer = text, pooling } = values;
  const model = await BertResNetModel.create({
    ...commonOf(values, labels),
    ...defined({ image }),
    text: await BertEncoder.fromPretrained(text, { pooling }),
    tokenizer: await BertTokenizer.fromPretrained(tokenizer),
  });
  // A visual encoder without a configuration of its own reads pictures as the notebook did.
  model.processor ??= new ImageProcessor();
  return model;
}

async function scratchModel(
  values: TrainValues,
  labels: readonly string[],
): Promise<BertResNetModel> {
  const { text = 'bert-base-uncased', image = 'resnet50', imageSize } = values;
  if (values.tokenizer === undefined) {
    throw new InputError(
      'train: --scratch needs --tokenizer, a folder, hub id or vocab.txt: random weights bring no vocabulary',
    );
  }
  const tokenizer = await BertTokenizer.fromPretrained(values.tokenizer);
  return new BertResNetModel({
    ...commonOf(values, labels),
    processor: new ImageProcessor({ size: imageSize }),
    text: await textGeometry(text, tokenizer, values),
    image: await imageGeometry(image),
    tokenizer,
  });
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

async function imageGeometry(source: string): Promise<string | ResNetConfig> {
  const json = await readGeometry(source);
  return json === undefined ? source : resNetConfigFromJson(json, source);
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
