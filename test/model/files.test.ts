import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { BertEncoder } from '../../src/encoders/bert.js';
import { ResNetFeatureModel } from '../../src/encoders/resnet.js';
import { InputError } from '../../src/errors.js';
import type { DirectoryHandle } from '../../src/files/fileTree.js';
import type { Fusion, FusionSizes } from '../../src/fusion/fusion.js';
import { createFusion } from '../../src/fusion/index.js';
import { BertResNetModel } from '../../src/model.js';
import type {
  CreateOptions,
  FromPretrainedOptions,
  ModelConfig,
  ModelOptions,
} from '../../src/modelOptions.js';
import type { RawInput } from '../../src/predict.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { Oracle } from '../oracle.js';

const vocabulary = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  'so',
  'good',
  'bad',
  'very',
  '##ly',
];
const text = {
  vocabSize: vocabulary.length,
  hiddenSize: 12,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 10,
  maxPositionEmbeddings: 8,
};
const image = {
  embeddingSize: 4,
  hiddenSizes: [4, 8],
  depths: [1, 1],
  layerType: 'basic',
} as const;
const labels = ['bad`|', 'good'];

let folder: string;
let tokenizer: BertTokenizer;
const processor = new ImageProcessor();

beforeAll(async () => {
  await useBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'model-'));
  tokenizer = await BertTokenizer.fromVocab(vocabulary);
});

afterAll(() => rm(folder, { recursive: true }));

const tiny = (options: Partial<ModelOptions> = {}): BertResNetModel =>
  new BertResNetModel({ labels, text, image, hiddenSize: 6, tokenizer, processor, ...options });

const fusionOf = (sizes: Partial<FusionSizes>): Fusion =>
  createFusion('mlp', { textSize: 12, imageSize: 8, hiddenSize: 6, classes: 2, ...sizes });

const pixels = (value: number): { data: Uint8Array; width: number; height: number } => ({
  data: new Uint8Array(40 * 30 * 4).fill(value),
  width: 40,
  height: 30,
});

const rows = [
  { text: 'so good', image: pixels(200) },
  { text: 'bad' },
  { image: pixels(30) },
  { text: 'very bad', image: pixels(255) },
];

describe('save and fromPretrained', () => {
  test('keep weights, labels, geometry, tokenizer and processor', async () => {
    const before = tf.memory().numTensors;
    const encoder = new ResNetFeatureModel({
      config: image,
      outputLayer: 'layer1',
      imageSize: [224, 224],
    });
    const model = tiny({ fusion: 'attention', seed: 3, image: encoder });
    const expected = await model.predict(rows);
    const path = join(folder, 'saved');
    await model.save(path);
    expect((await readdir(path)).toSorted()).toEqual(
      expect.arrayContaining([
        'README.md',
        'config.json',
        'model.safetensors',
        'preprocessor_config.json',
        'tokenizer.json',
      ]),
    );
    const same = await BertResNetModel.fromPretrained(path);
    expect(same.config).toEqual(model.config);
    expect(await same.predict(rows)).toEqual(expected);
    await same.save(path); // over what is there
    model.dispose();
    same.dispose();
    const again = await BertResNetModel.fromPretrained(path);
    expect(await again.predict(rows)).toEqual(expected);
    again.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('keep the length at which texts are cut, where it is set', async () => {
    const long = [{ text: 'so good very bad so' }];
    const path = join(folder, 'length');
    const written = async (): Promise<ModelConfig> =>
      JSON.parse(await readFile(join(path, 'config.json'), 'utf8')) as ModelConfig;
    const model = tiny();
    await model.save(path);
    expect(await written()).not.toHaveProperty('maxLength');
    const whole = await model.predict(long);
    const cut = await model.predict(long, { maxLength: 4 });
    expect(cut).not.toEqual(whole);
    model.maxLength = 4;
    expect(model.config.maxLength).toBe(4);
    expect(await model.predict(long)).toEqual(cut);
    expect(await model.predict(long, { maxLength: 8 })).toEqual(whole);
    await model.save(path);
    expect((await written()).maxLength).toBe(4);
    const same = await BertResNetModel.fromPretrained(path);
    expect(same.maxLength).toBe(4);
    expect(await same.predict(long)).toEqual(cut);
    same.dispose();
    await writeFile(
      join(path, 'config.json'),
      JSON.stringify({ ...(await written()), maxLength: '4' }),
    );
    const before = tf.memory().numTensors;
    await expect(BertResNetModel.fromPretrained(path)).rejects.toThrow(
      'maxLength must be an integer >= 2, got 4',
    );
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  test('the model card escapes its labels', async () => {
    const model = tiny();
    await model.save(join(folder, 'card'));
    const card = await readFile(join(folder, 'card', 'README.md'), 'utf8');
    expect(card).toContain("- `bad'\\|`");
    model.dispose();
  });

  test('other models and newer formats are refused', async () => {
    const model = tiny();
    const path = join(folder, 'format');
    await model.save(path);
    const file = join(path, 'config.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as object;
    const load = async (change: object): Promise<unknown> => {
      await writeFile(file, JSON.stringify({ ...config, ...change }));
      return BertResNetModel.fromPretrained(path);
    };
    await expect(load({ formatVersion: 2 })).rejects.toThrow(
      /format version 2, and 1 is the newest/,
    );
    await expect(load({ model_type: 'bert' })).rejects.toThrow(
      /type 'bert'.*BertResNetModel.create/,
    );
    await expect(load({ model_type: undefined, training: { epochs: 5 } })).rejects.toThrow(
      `BertResNetModel: ${path} must be a model that \`save\` wrote, and is the folder of a run; its model is ` +
        `${path}/model, pass that`,
    );
    await expect(load({ text: { modelType: 'mine' } })).rejects.toThrow(
      /text encoder 'mine'.*\{ text: encoder \}/,
    );
    await expect(load({ fusion: { type: 'gone' } })).rejects.toThrow(/unknown type 'gone'/);
    await expect(load({ labels: ['a', 'b', 'c'] })).rejects.toThrow(
      /mlp_text\.weight is \[2, 12\], expected \[3, 12\]/,
    );
    await expect(BertEncoder.fromPretrained(path)).rejects.toThrow(
      /BertResNetModel.fromPretrained/,
    );
    model.dispose();
  });

  test('nothing is left of a model that cannot be loaded, and what was given stays', async () => {
    const path = join(folder, 'unfit');
    const model = tiny();
    await model.save(path);
    model.dispose();
    const file = join(path, 'config.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as ModelConfig;
    const given = new BertEncoder(text);
    const fusion = fusionOf({ classes: 3 });
    const before = tf.memory().numTensors;
    const load = async (change: object, parts: FromPretrainedOptions = {}): Promise<unknown> => {
      await writeFile(file, JSON.stringify({ ...config, ...change }));
      return BertResNetModel.fromPretrained(path, parts);
    };
    await expect(load({ labels: ['a', 'b', 'c'] })).rejects.toThrow('expected [3, 12]');
    await expect(load({ labels: ['a', 'b', 'c'] }, { text: given })).rejects.toThrow('[3, 12]');
    await expect(load({ labels: 'ab' })).rejects.toThrow('at least 2 different');
    await expect(load({ text: undefined })).rejects.toThrow(
      /must describe its text, got undefined/,
    );
    await expect(load({ trainedMode: 'both' })).rejects.toThrow(/trainedMode must be 'text' or/);
    await expect(load({ image: { modelType: 'mine' } })).rejects.toThrow("image encoder 'mine'");
    await expect(load({}, { fusion })).rejects.toThrow(
      "fusion 'mlp': must be made for the sizes of its model, classes 2, got classes 3",
    );
    expect(tf.memory().numTensors).toBe(before);
    expect(given.embeddings.words.weight.isDisposed).toBe(false);
    expect(fusion.mlpText.weight.isDisposed).toBe(false);
    given.dispose();
    fusion.dispose();
  });

  test('a directory that is no path is refused: only browsers have such', async () => {
    const model = tiny();
    const handle = { kind: 'directory', name: 'picked' } as unknown as DirectoryHandle;
    await expect(model.save(handle)).rejects.toThrow(/a folder must be named by its path, got an/);
    model.dispose();
  });
});

describe('create', () => {
  async function writeEncoder(name: string, oracle: Oracle, change: object = {}): Promise<string> {
    const path = join(folder, name);
    await mkdir(path);
    const config = JSON.parse(oracle.metadata['config']!) as object;
    await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, ...change }));
    const head = { 'classifier.weight': { shape: [1], values: new Float32Array(1) } };
    await writeSafetensors(join(path, 'model.safetensors'), {
      ...oracle.under('weight.'),
      ...head,
    });
    return path;
  }

  test('loads pretrained encoders, the tokenizer and the processor beside them', async () => {
    const [bert, resnet] = [new Oracle('bert-gelu'), new Oracle('resnet-basic')];
    const textFolder = await writeEncoder('bert', bert);
    const imageFolder = await writeEncoder('resnet', resnet);
    await tokenizer.save(textFolder);
    await writeFile(
      join(imageFolder, 'preprocessor_config.json'),
      JSON.stringify(processor.toJSON()),
    );
    const model = await BertResNetModel.create({
      labels,
      text: textFolder,
      image: imageFolder,
      fusion: 'late',
      pooling: { text: ['mean', 'max'], image: ['max', 'mean'] },
      // What the hub is asked with is no option of the model.
      ...{ token: 'hf_none', cacheDir: folder, fetch, hubUrl: 'http://localhost:1' },
      onProgress: () => {},
    });
    const query = 'encoder.layer.0.attention.self.query.weight';
    const loaded = await model.namedParameters().get(`text_encoder.${query}`)!.data();
    expect(loaded).toEqual(bert.host(`weight.${query}`).values);
    expect(model.visualEncoder.featureSize).toBe(2 * 8);
    expect(model.textEncoder.config).toMatchObject({ pooling: ['mean', 'max'] });
    await model.save(join(folder, 'pooled'));
    const same = await BertResNetModel.fromPretrained(join(folder, 'pooled'));
    expect(same.config).toEqual(model.config);
    expect(same.visualEncoder.config).toMatchObject({ pooling: ['max', 'mean'] });
    same.dispose();
    expect(model.tokenizer!.vocabSize).toBe(vocabulary.length);
    expect(model.processor!.size).toEqual({ height: 224, width: 224 });
    expect(model.fusion.config.type).toBe('late');
    model.dispose();
    const stem = await ResNetFeatureModel.fromPretrained(imageFolder, { outputLayer: 'layer1' });
    expect([...stem.namedParameters().keys()].some((name) => name.startsWith('layer2'))).toBe(
      false,
    );
    stem.dispose();
  });

  test('says what is wrong with other options before it fetches anything', async () => {
    let asked = 0;
    const fetch = (): Promise<Response> => {
      asked++;
      return Promise.reject(new Error('asked'));
    };
    const create = (options: CreateOptions): Promise<unknown> =>
      BertResNetModel.create({ text: 'no/text', image: 'no/image', fetch, ...options });
    await expect(create({ fusion: 'atention' })).rejects.toThrow("unknown type 'atention'");
    await expect(create({ labels: ['one'] })).rejects.toThrow('at least 2 different');
    await expect(create({ hiddenSize: 0 })).rejects.toThrow('hiddenSize must be an integer >= 1');
    await expect(create({ seed: NaN })).rejects.toThrow('seed must be an integer >= 0, got NaN');
    await expect(create({ maxLength: 1 })).rejects.toThrow('maxLength must be an integer >= 2');
    await expect(create({ image: { depths: [1] } })).rejects.toThrow('lists of one length');
    await expect(create({ pooling: { image: 'cls' as never } })).rejects.toThrow(
      "BertResNetModel: pooling.image: pooling must be one of mean, max, got 'cls'",
    );
    await expect(create({ pooling: { texts: 'max' } as never })).rejects.toThrow(
      "unknown option 'texts'",
    );
    await expect(create({ text: {}, pooling: { text: 'max' } })).rejects.toThrow(
      'pooling.text must be that of a pretrained encoder, and text is none by name',
    );
    await expect(create({ fuson: 'max' } as CreateOptions)).rejects.toThrow(
      "BertResNetModel: unknown option 'fuson'; did you mean fusion? The options are labels, text",
    );
    await expect(create({ initialize: false } as CreateOptions)).rejects.toThrow(
      "unknown option 'initialize'",
    );
    expect(asked).toBe(0);
  });

  test('leaves nothing of encoders that it loaded in vain, and what it was given alone', async () => {
    const [bert, resnet] = [new Oracle('bert-gelu'), new Oracle('resnet-basic')];
    const textFolder = await writeEncoder('bert-alone', bert);
    const imageFolder = await writeEncoder('resnet-alone', resnet);
    const wide = await writeEncoder('bert-wide', bert, { intermediate_size: 6 });
    const deep = await writeEncoder('resnet-deep', resnet, { depths: [1, 1, 1, 3] });
    const given = new ResNetFeatureModel({ config: image });
    const fusion = fusionOf({ textSize: 3 });
    const before = tf.memory().numTensors;
    const create = (options: CreateOptions): Promise<unknown> =>
      BertResNetModel.create({ labels, text: textFolder, image: imageFolder, ...options });
    await expect(create({ image: join(folder, 'absent') })).rejects.toThrow(InputError);
    await expect(create({ text: wide, image: given })).rejects.toThrow('intermediate.dense.weight');
    await expect(create({ image: deep })).rejects.toThrow('missing');
    await expect(create({ fusion, image: given })).rejects.toThrow('the sizes of its model');
    expect(tf.memory().numTensors).toBe(before);
    expect(given.namedParameters().get('conv1.weight')!.isDisposed).toBe(false);
    expect(fusion.mlpText.weight.isDisposed).toBe(false);
    given.dispose();
    fusion.dispose();
  });
});

describe('predict', () => {
  test('answers each row by what it has, in order', async () => {
    const model = tiny();
    const answers = await model.predict(rows, { batchSize: 1 });
    const sixteen = await model.predict(rows);
    expect(answers).toHaveLength(4);
    for (const [i, { label, probability, probabilities }] of answers.entries()) {
      expect(Object.keys(probabilities)).toEqual(labels);
      expect(probabilities[labels[0]!]! + probabilities[labels[1]!]!).toBeCloseTo(1, 5);
      expect(probability).toBe(Math.max(...Object.values(probabilities)));
      expect(probabilities[label]).toBe(probability);
      expect(sixteen[i]!.probability).toBeCloseTo(probability, 5);
    }
    const [textOnly] = await model.predict([{ text: 'bad' }]);
    expect(answers[1]!.probability).toBeCloseTo(textOnly!.probability, 6);
    const [asText] = await model.predict([{ text: 'bad', image: pixels(1) }], { mode: 'text' });
    expect(asText).toEqual(textOnly);
    expect(await model.predict([])).toEqual([]);
    model.dispose();
  });

  test('says what is missing', async () => {
    const model = tiny({ tokenizer: undefined, processor: undefined });
    await expect(model.predict([{ text: 'so' }])).rejects.toThrow(
      /needs a tokenizer.*BertTokenizer.fromPretrained/,
    );
    await expect(model.predict([{ image: 'a.png' }])).rejects.toThrow(
      /need a processor.*new ImageProcessor/,
    );
    await expect(model.predict([{ text: 'so' }, {}])).rejects.toThrow(/row 1: .*got neither/);
    await expect(model.predict([{ text: 'so' }], { mode: 'both' })).rejects.toThrow(
      /row 0: .*got no image/,
    );
    await expect(model.predict([], { batchSize: 0 })).rejects.toThrow(InputError);
    model.dispose();
  });

  test.each([
    ['so good', 'rows must be an array, such as [{ text, image }], got "so good"'],
    [{ text: 'so good' }, 'rows must be an array, such as [{ text, image }], got Object'],
    [[{ text: 'so' }, null], 'row 1 must be an object such as { text, image }, got null'],
    [['so good'], 'row 0 must be an object such as { text, image }, got "so good"'],
  ])('refuses %j, which are no rows', async (given, message) => {
    const model = tiny();
    await expect(model.predict(given as RawInput[])).rejects.toThrow(
      new InputError(`predict: ${message}`),
    );
    model.dispose();
  });

  test('leaves nothing behind of a row that it refuses', async () => {
    const model = tiny();
    const before = tf.memory().numTensors;
    const number = { text: 5 as unknown as string, image: pixels(3) };
    await expect(model.predict([number])).rejects.toThrow(InputError);
    const short = model.predict([{ text: 'so', image: pixels(3) }], { maxLength: 1 });
    await expect(short).rejects.toThrow(InputError);
    await expect(model.predict([{ text: 'so', image: 'no.png' }])).rejects.toThrow(InputError);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
});
