import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
import { BertResNetModel } from '../../src/model.js';
import type { ModelOptions } from '../../src/modelOptions.js';
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

  test('a directory that is no path is refused: only browsers have such', async () => {
    const model = tiny();
    const handle = { kind: 'directory', name: 'picked' } as unknown as DirectoryHandle;
    await expect(model.save(handle)).rejects.toThrow(/a folder must be named by its path, got an/);
    model.dispose();
  });
});

describe('create', () => {
  test('loads pretrained encoders, the tokenizer and the processor beside them', async () => {
    const [textFolder, imageFolder] = [join(folder, 'bert'), join(folder, 'resnet')];
    const [bert, resnet] = [new Oracle('bert-gelu'), new Oracle('resnet-basic')];
    for (const [path, oracle] of [
      [textFolder, bert],
      [imageFolder, resnet],
    ] as const) {
      await (await import('node:fs/promises')).mkdir(path);
      await writeFile(join(path, 'config.json'), oracle.metadata['config']!);
      const head = { 'classifier.weight': { shape: [1], values: new Float32Array(1) } };
      await writeSafetensors(join(path, 'model.safetensors'), {
        ...oracle.under('weight.'),
        ...head,
      });
    }
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
    });
    const query = 'encoder.layer.0.attention.self.query.weight';
    const loaded = await model.namedParameters().get(`text_encoder.${query}`)!.data();
    expect(loaded).toEqual(bert.host(`weight.${query}`).values);
    expect(model.visualEncoder.featureSize).toBe(8);
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
