import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import type { TextEncoder, TextInput } from '../../src/encoders/encoder.js';
import { ResNetFeatureModel } from '../../src/encoders/resnet.js';
import { InputError } from '../../src/errors.js';
import { modes } from '../../src/fusion/fusion.js';
import type { Mode } from '../../src/fusion/fusion.js';
import { fusionTypes } from '../../src/fusion/index.js';
import { BertResNetModel } from '../../src/model.js';
import type { ModelInput, ModelOptions } from '../../src/modelOptions.js';
import { Module } from '../../src/nn/module.js';
import { largestFile, writeOnnx } from '../../src/onnx/export.js';
import { describeModel } from '../../src/onnx/metadata.js';
import { OnnxModel } from '../../src/onnx/onnxModel.js';
import { describeBackends, expectClose, take } from '../backends.js';

const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'so', 'good', 'bad', 'very'];
const labels = ['bad', 'good', 'ugly'];
const longest = 9;
const text = {
  vocabSize: vocabulary.length,
  hiddenSize: 12,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 10,
  maxPositionEmbeddings: longest,
};
const image = {
  embeddingSize: 4,
  hiddenSizes: [8, 12],
  depths: [1, 2],
  layerType: 'bottleneck',
} as const;
const size = { height: 20, width: 24 };

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'onnx-'))));
afterAll(() => rm(folder, { recursive: true }));

async function tiny(options: Partial<ModelOptions> = {}): Promise<BertResNetModel> {
  const tokenizer = await BertTokenizer.fromVocab(vocabulary);
  const processor = new ImageProcessor({ size, cropSize: size });
  const model = new BertResNetModel({
    ...{ labels, text, image, hiddenSize: 6, tokenizer, processor },
    ...options,
  });
  await moveStatistics(model);
  return model;
}

/** Running statistics as training leaves them: not 0 and 1. */
async function moveStatistics(model: BertResNetModel): Promise<void> {
  for (const [name, buffer] of model.namedBuffers()) {
    const values = await buffer.data();
    const offset = name.endsWith('var') ? 0.5 : 0;
    const moved = values.map((value, i) => value * 0.7 + offset + 0.1 * Math.sin(i));
    tf.tidy(() => buffer.assign(tf.tensor(moved, buffer.shape)));
  }
}

/** Some rows, of which all but the first end in padding. */
function inputsOf(batch: number, length: number): Required<ModelInput> {
  const ids = Int32Array.from({ length: batch * length }, (_, i) => (i * 5 + 3) % 9);
  const mask = ids.map((_, i) => (i % length <= length - 1 - Math.floor(i / length) ? 1 : 0));
  const types = ids.map((_, i) => (i % length > 1 ? 1 : 0));
  const pixels = Float32Array.from({ length: batch * size.height * size.width * 3 }, (_, i) =>
    Math.sin(i * 0.37),
  );
  const tensor = (values: Int32Array): tf.Tensor2D => tf.tensor2d(values, [batch, length], 'int32');
  return {
    text: { inputIds: tensor(ids), attentionMask: tensor(mask), tokenTypeIds: tensor(types) },
    image: tf.tensor4d(pixels, [batch, size.height, size.width, 3]),
  };
}

/** What a model and its export make of the same rows must be equal. */
async function compare(
  model: BertResNetModel,
  exported: OnnxModel,
  sizes: readonly (readonly [batch: number, length: number])[],
): Promise<void> {
  for (const [batch, length] of sizes) {
    const inputs = inputsOf(batch, length);
    const expected = await take(model.forward(inputs, { mode: exported.mode }));
    const actual = await exported.forward(inputs);
    expect(actual.shape).toEqual([batch, labels.length]);
    expectClose(await take(actual), expected, { relative: 1e-5, absolute: 1e-6 });
    tf.dispose([{ ...inputs.text }, inputs.image]);
  }
}

async function exportAndCompare(
  model: BertResNetModel,
  mode: Mode = 'both',
  sizes: readonly (readonly [number, number])[] = [[2, 5]],
): Promise<void> {
  const exported = await OnnxModel.fromPretrained(await model.toOnnx({ mode }));
  await compare(model, exported, sizes);
  await exported.dispose();
}

const poolings = { text: 'cls', image: 'cls', both: 'mean' } as const;

const everySize = [
  [1, 1],
  [1, 5],
  [4, 1],
  [3, longest],
] as const;

describe('on the backend cpu', () => {
  beforeAll(() => useBackend('cpu'));

  test.each(fusionTypes().flatMap((fusion) => modes.map((mode) => [fusion, mode] as const)))(
    'the fusion %s in mode %s has equal logits, whatever the batch and the length',
    async (fusion, mode) => {
      const model = await tiny({ fusion, text: { ...text, pooling: poolings[mode] } });
      await exportAndCompare(model, mode, everySize);
      model.dispose();
    },
  );

  test.each([
    [{ hiddenAct: 'gelu_new' }, { layerType: 'basic', hiddenSizes: [4, 6] }],
    [{ pooling: ['mean', 'max'] }, { pooling: ['mean', 'max'] }],
    [
      { hiddenAct: 'silu', pooling: 'mean' },
      { hiddenAct: 'gelu', depths: [1, 1] },
    ],
    [{ hiddenAct: 'relu', typeVocabSize: 3 }, { downsampleInBottleneck: true }],
    [{ maxPositionEmbeddings: 5, numHiddenLayers: 1 }, { downsampleInFirstStage: true }],
    [{ maxPositionEmbeddings: 66 }, { depths: [1], hiddenSizes: [4] }],
    [{ maxPositionEmbeddings: 200 }, {}],
  ] as const)('every geometry: text %j, image %j', async (ofText, ofImage) => {
    const geometry = { ...image, ...ofImage } as typeof image;
    const model = await tiny({ text: { ...text, ...ofText } as typeof text, image: geometry });
    await exportAndCompare(model, 'both', [
      [1, 1],
      [2, model.textEncoder.maxLength!],
    ]);
    model.dispose();
  });

  test('the map of an earlier layer, frozen encoders', async () => {
    const encoder = new ResNetFeatureModel({
      ...{ config: image, outputLayer: 'layer1', imageSize: [size.height, size.width] },
    });
    const model = await tiny({ image: encoder });
    model.freeze({ text: true, image: true });
    await exportAndCompare(model, 'both', [[3, 4]]);
    model.dispose();
  });
});

describeBackends('a model and the backend are left as they were', (backend) => {
  test('on every backend', async () => {
    const model = await tiny();
    const held = [...model.namedParameters().values()].map(({ dataId }) => dataId);
    const before = tf.memory().numTensors;
    await model.toOnnx({ mode: 'text' });
    expect(tf.getBackend()).toBe(backend);
    expect(tf.memory().numTensors).toBe(before);
    expect([...model.namedParameters().values()].map(({ dataId }) => dataId)).toEqual(held);
    await exportAndCompare(model);
    model.dispose();
  });

  test('where nothing can be exported, too', async () => {
    const model = await tiny();
    const broken = (): never => {
      throw new Error('no forward');
    };
    const { forward } = model;
    model.forward = broken;
    await expect(model.toOnnx()).rejects.toThrow('no forward');
    model.forward = forward;
    expect(tf.getBackend()).toBe(backend);
    await exportAndCompare(model);
    model.dispose();
  });

  test('weights that are still to be computed are written', async () => {
    const model = await tiny();
    const inputs = inputsOf(2, 4);
    const optimizer = tf.train.sgd(0.1);
    const variables = [...model.trainableParameters().values()];
    const loss = (): tf.Scalar => tf.sum(tf.square(model.forward(inputs)));
    optimizer.minimize(loss, false, variables);
    await exportAndCompare(model);
    tf.dispose([{ ...inputs.text }, inputs.image]);
    optimizer.dispose();
    model.dispose();
  });
});

describe('a file', () => {
  let model: BertResNetModel;
  let bytes: Uint8Array;
  beforeAll(async () => {
    await useBackend('onnxruntime');
    model = await tiny({ fusion: 'attention' });
    bytes = await model.toOnnx();
  });
  afterAll(() => model.dispose());

  test('is of standard operators, and holds each weight once, under its name', async () => {
    const file = Buffer.from(bytes);
    expect(file.includes('com.microsoft')).toBe(false);
    const names = [...model.namedParameters().keys(), ...model.namedBuffers().keys()];
    const unused = names.filter((name) => /^mlp_(text|image)\./.test(name));
    expect(names.filter((name) => !file.includes(name))).toEqual(unused);
    const counts = [...model.namedParameters().values()].map((variable) => variable.size);
    const weights = 4 * counts.reduce((sum, count) => sum + count, 0);
    const tokenizer = JSON.stringify(model.tokenizer).length;
    expect(bytes.length).toBeLessThan(weights + tokenizer + 60_000);
  });

  test('brings labels, mode, geometry, tokenizer and preprocessing with it', async () => {
    const exported = await OnnxModel.fromPretrained(bytes);
    expect(exported.labels).toEqual(labels);
    expect(exported.mode).toBe('both');
    expect(exported.config).toEqual(model.config);
    expect(exported.tokenizer!.toJSON()).toEqual(model.tokenizer!.toJSON());
    expect(exported.processor!.config).toEqual(model.processor!.config);
    expect(exported.textLength()).toBe(longest);
    expect(exported.textLength(6)).toBe(6);
    await exported.dispose();
    const plain = await tiny({ tokenizer: undefined, processor: undefined });
    const bare = await OnnxModel.fromPretrained(await plain.toOnnx({ mode: 'text' }));
    expect(bare.tokenizer).toBeUndefined();
    await expect(bare.predict([{ text: 'so' }])).rejects.toThrow(/needs a tokenizer/);
    await bare.dispose();
    plain.dispose();
  });

  test('predicts what the model predicts', async () => {
    const data = (value: number): Uint8Array => new Uint8Array(40 * 30 * 4).fill(value);
    const rows = ['so good', 'very very bad', 'so so so so so so so so so so', 'bad'].map(
      (words, i) => ({ text: words, image: { data: data(60 * i), width: 40, height: 30 } }),
    );
    const before = tf.memory().numTensors;
    for (const mode of modes) {
      const path = join(folder, `${mode}.onnx`);
      expect(await model.toOnnx(path, { mode })).toEqual([path]);
      const exported = await OnnxModel.fromPretrained(path);
      const [expected, actual] = [
        await model.predict(rows, { mode }),
        await exported.predict(rows, { batchSize: 3 }),
      ];
      expect(actual.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
      for (const [i, { probabilities }] of actual.entries()) {
        expect(Object.keys(probabilities)).toEqual(labels);
        expectClose(Object.values(probabilities), Object.values(expected[i]!.probabilities));
      }
      await exported.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('cuts texts where the model does', async () => {
    const rows = [{ text: 'so good very bad so good' }];
    const words = await tiny({ maxLength: 5 });
    const exported = await OnnxModel.fromPretrained(await words.toOnnx({ mode: 'text' }));
    expect(exported.textLength()).toBe(5);
    expect(exported.config.maxLength).toBe(5);
    const [answer] = await exported.predict(rows);
    const [expected] = await words.predict(rows);
    expectClose(Object.values(answer!.probabilities), Object.values(expected!.probabilities));
    const [whole] = await words.predict(rows, { maxLength: longest });
    expect(Math.abs(whole!.probability - expected!.probability)).toBeGreaterThan(1e-4);
    await exported.dispose();
    words.dispose();
    const tokenizer = await BertTokenizer.fromVocab(vocabulary, { maxLength: 6 });
    const limited = await tiny({ tokenizer });
    expect(describeModel(limited, { mode: 'text', version: '1' })['max_length']).toBe('6');
    limited.dispose();
  });

  test('answers in its own mode alone, and names what a row lacks', async () => {
    const exported = await OnnxModel.fromPretrained(bytes);
    await expect(exported.predict([{ text: 'so' }])).rejects.toThrow(/row 0: .*got no image/);
    await expect(exported.predict([{ text: 'so' }], { mode: 'text' })).rejects.toThrow(
      /must be 'both'.*got 'text'; export it again with \{ mode: 'text' \}/,
    );
    const [inputs, long] = [inputsOf(2, 3), inputsOf(2, longest + 1)];
    await expect(exported.forward({ text: inputs.text })).rejects.toThrow(/got no image/);
    await expect(exported.forward(long)).rejects.toThrow(/\[batch, length <= 9\], got \[2, 10\]/);
    const small = tf.zeros<tf.Rank.R4>([2, 8, 8, 3]);
    await expect(exported.forward({ text: inputs.text, image: small })).rejects.toThrow(
      /image must be \[batch, 20, 24, 3\], got \[2, 8, 8, 3\]/,
    );
    tf.dispose([{ ...inputs.text }, inputs.image, { ...long.text }, long.image, small]);
    await exported.dispose();
  });

  test('above the limit keeps its weights in a second file, aligned', async () => {
    const path = join(folder, 'outside.onnx');
    const wide = { ...text, hiddenSize: 32, intermediateSize: 48 };
    const model = await tiny({ text: wide });
    const bytes = await model.toOnnx();
    expect(await writeOnnx(model, path, {}, bytes.length)).toEqual([path]);
    expect(await writeOnnx(model, path, {}, bytes.length - 1)).toEqual([`${path}.data`, path]);
    expect((await readFile(path)).length).toBeLessThan(bytes.length);
    expect((await readFile(`${path}.data`)).length).toBeGreaterThan(16 * 4096);
    const exported = await OnnxModel.fromPretrained(path);
    await compare(model, exported, everySize);
    await exported.dispose();
    await rm(`${path}.data`);
    await expect(OnnxModel.fromPretrained(path)).rejects.toThrow(/outside\.onnx must be a whole/);
    model.dispose();
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('is refused where it is damaged, or of others', async () => {
    const load = (given: Uint8Array): Promise<unknown> => OnnxModel.fromPretrained(given);
    const at = Buffer.from(bytes).indexOf('format_version') + 'format_version'.length;
    const newer = bytes.slice();
    newer[at + 2] = '7'.charCodeAt(0);
    const changed = (from: string, to: string): Uint8Array =>
      Buffer.from(Buffer.from(bytes).toString('latin1').replace(from, to), 'latin1');
    await expect(load(changed('["bad","good"', '["bad","good]'))).rejects.toThrow(/labels is no/);
    await expect(load(changed('["bad","good"', '[12345,"good"'))).rejects.toThrow(/its labels are/);
    await expect(load(changed('{"height":20', '{"length":20'))).rejects.toThrow(
      /its image_size is/,
    );
    await expect(load(changed('"modelType":"bert"', '"modelTipe":"bert"'))).rejects.toThrow(
      /its config names no encoder; export it again/,
    );
    await expect(load(newer)).rejects.toThrow(/format version 7, and 1 is the newest.*update/s);
    for (const length of [0, 1, 9, 500, bytes.length - 40, bytes.length - 1]) {
      await expect(load(bytes.subarray(0, length)), `${length} bytes`).rejects.toThrow(InputError);
    }
    await expect(load(bytes.map((byte) => byte ^ 255))).rejects.toThrow(InputError);
    const path = join(folder, 'cut.onnx');
    await writeFile(path, bytes.subarray(0, bytes.length >> 1));
    await expect(OnnxModel.fromPretrained(path)).rejects.toThrow(/cut\.onnx must be an ONNX model/);
    await expect(OnnxModel.fromPretrained(join(folder, 'no.onnx'))).rejects.toThrow(InputError);
  });
});

/** Reads texts in a way that depends on how many there are. */
class Moody extends Module implements TextEncoder {
  readonly featureSize = 2;
  readonly maxLength = 12;
  readonly config = { modelType: 'moody' };

  constructor(readonly feature: (ids: tf.Tensor2D) => tf.Tensor) {
    super();
  }

  forward({ inputIds }: TextInput): tf.Tensor2D {
    return this.feature(inputIds) as tf.Tensor2D;
  }
}

const sum = (ids: tf.Tensor2D): tf.Tensor => tf.sum(tf.cast(ids, 'float32'), 1, true);
const twice = (x: tf.Tensor): tf.Tensor2D => tf.concat([x, x], 1) as tf.Tensor2D;

describe('an encoder of others', () => {
  test.each([
    ['sizes', (ids: tf.Tensor2D) => twice(sum(tf.tile(ids, [1, ids.shape[1] + 1])))],
    ['a filled tensor', (ids: tf.Tensor2D) => twice(tf.add(sum(ids), tf.ones([ids.shape[0], 1])))],
    ['its last token', (ids: tf.Tensor2D) => twice(sum(tf.slice(ids, [0, ids.shape[1] - 1])))],
    [
      'products of transposed matrices',
      (ids: tf.Tensor2D) => {
        const row = tf.reshape(sum(ids), [1, -1]) as tf.Tensor2D; // [1, batch]
        return tf.matMul(row, tf.tensor2d([1, 2], [2, 1]), true, true);
      },
    ],
    [
      'a table',
      (ids: tf.Tensor2D) => tf.gather(tf.reshape(tf.range(0, 200), [100, 2]), lastOf(ids)),
    ],
  ])('is exported with %s', async (_, feature) => {
    await useBackend('cpu');
    const model = await tiny({ text: new Moody(feature), tokenizer: undefined });
    await exportAndCompare(model, 'text', everySize);
    model.dispose();
  });

  test.each([
    [
      /in the same way for every batch/,
      (ids: tf.Tensor2D) => twice(ids.shape[1] % 2 ? sum(ids) : tf.relu(sum(ids))),
    ],
    [/the numbers that Mul reads/, (ids: tf.Tensor2D) => twice(tf.mul(sum(ids), 1 / ids.shape[1]))],
    [
      /sizes must be multiples.*got for Slice: .* at batch 97/,
      (ids: tf.Tensor2D) => twice(sum(tf.slice(ids, [0, 0], [-1, Math.ceil(ids.shape[1] ** 0.5)]))),
    ],
    [
      /made of ONNX's operators, got UnsortedSegmentSum/,
      (ids: tf.Tensor2D) => tf.unsortedSegmentSum(twice(sum(ids)), lastOf(ids), 9),
    ],
  ])('is refused where it depends on sizes: %s', async (message, feature) => {
    const model = await tiny({
      text: new Moody(feature as Moody['feature']),
      tokenizer: undefined,
    });
    await expect(model.toOnnx({ mode: 'text' })).rejects.toThrow(message);
    model.dispose();
  });
});

function lastOf(ids: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(tf.slice(ids, [0, ids.shape[1] - 1], [-1, 1]), [-1]);
}

describe('options', () => {
  test('that cannot be used are refused', async () => {
    const model = await tiny();
    const options = (given: object): Promise<unknown> => model.toOnnx(given);
    await expect(options({ mode: 'all' })).rejects.toThrow(/mode must be one of text, image, both/);
    await expect(options({ imageSize: 0 })).rejects.toThrow(/positive integer.*got 0 x 0/);
    await expect(options({ imageSize: 32 })).rejects.toThrow(/processor makes, 20 x 24, got 32/);
    const short = await tiny({ text: { ...text, maxPositionEmbeddings: 4 } });
    await expect(short.toOnnx()).rejects.toThrow(/must read 5 tokens or more, got at most 4/);
    await expect(short.toOnnx({ mode: 'image' })).resolves.toBeInstanceOf(Uint8Array);
    expect(largestFile).toBe(2 ** 31 - 1);
    model.dispose();
    short.dispose();
  });

  test('say the size of pictures where no processor does', async () => {
    const model = await tiny({ processor: undefined });
    const exported = await OnnxModel.fromPretrained(
      await model.toOnnx({ mode: 'image', imageSize: size }),
    );
    await compare(model, exported, [[2, 1]]);
    await exported.dispose();
    model.dispose();
  });
});
