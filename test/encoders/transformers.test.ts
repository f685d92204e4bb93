import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { PixelData } from '../../src/datasets/example.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import {
  TransformersImageEncoder,
  TransformersTextEncoder,
} from '../../src/encoders/transformers.js';
import { InputError } from '../../src/errors.js';
import { BertResNetModel } from '../../src/model.js';
import type { ModelOptions } from '../../src/modelOptions.js';
import { answerRows, evaluate } from '../../src/training/evaluate.js';
import type { StepRecord } from '../../src/training/records.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { expectClose } from '../backends.js';
import { labels, tinyData, tinyModel, tinyRows, weightsOf } from '../training/tiny.js';
import {
  colourWeights,
  deviation,
  imageWidth,
  mean,
  side,
  textWidth,
  vocabulary,
  wordVectors,
  writeImageModel,
  writeTextModel,
} from './tinyOnnx.js';

let folder = '';
let [textFolder, imageFolder] = ['', ''];
let text: TransformersTextEncoder;
let image: TransformersImageEncoder;
beforeAll(async () => {
  await useBackend('onnxruntime');
  folder = await mkdtemp(join(tmpdir(), 'transformers-'));
  textFolder = await writeTextModel(join(folder, 'text'));
  imageFolder = await writeImageModel(join(folder, 'image'));
  text = await TransformersTextEncoder.fromPretrained(textFolder);
  image = await TransformersImageEncoder.fromPretrained(imageFolder);
});
afterAll(async () => {
  text.dispose();
  image.dispose();
  await rm(folder, { recursive: true });
});

/** What the text model gives, by hand. The package cuts at the end, which takes [SEP] away. */
function statesOf(words: readonly string[], most = 12): number[][] {
  const table = wordVectors();
  const tokens = ['[CLS]', ...words, '[SEP]'].slice(0, most);
  const vectors = tokens.map((token) => {
    const id = vocabulary.indexOf(token);
    return table[id === -1 ? 1 : id]!;
  });
  const average = meanOf(vectors);
  return vectors.map((vector) => vector.map((x, i) => x + average[i]!));
}

const meanOf = (vectors: readonly number[][]): number[] =>
  vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length);

/** A picture of the size that the processor makes: nothing is resized. */
function picture(seed: number): PixelData {
  const data = Uint8Array.from({ length: side * side * 4 }, (_, i) => (i * 37 * seed) % 256);
  return { data, width: side, height: side };
}

/** The image model's map of a picture, by hand: for each feature the values of all places. */
function mapOf({ data }: PixelData): number[][] {
  const places = Array.from({ length: side * side }, (_, place) =>
    [0, 1, 2].map((channel) => (data[place * 4 + channel]! / 255 - mean) / deviation),
  );
  return colourWeights.map((weights) =>
    places.map((rgb) => weights.reduce((sum, weight, i) => sum + weight * rgb[i]!, 0)),
  );
}

const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a text encoder', () => {
  const texts = ['the snow', 'a fire the sun sand', '', 'nobody knows'];
  const words = texts.map((line) => line.split(' ').filter((word) => word !== ''));

  test('gives the mean of what the model makes of the tokens, whatever shares the batch', async () => {
    const expected = words.map((line) => meanOf(statesOf(line)));
    expectClose(await text.extractTexts(texts), expected.flat(), { relative: 1e-5 });
    for (const [row, line] of texts.entries()) {
      expectClose(await text.extractTexts([line]), expected[row]!, { relative: 1e-5 });
    }
  });

  test('gives the first vector with the pooling cls', async () => {
    const encoder = await TransformersTextEncoder.fromPretrained(textFolder, { pooling: 'cls' });
    const expected = words.map((line) => statesOf(line)[0]!);
    expectClose(await encoder.extractTexts(texts), expected.flat(), { relative: 1e-5 });
    encoder.dispose();
  });

  test('cuts texts at what the model reads, and at what is asked for', async () => {
    expect(text.maxLength).toBe(12);
    const long = Array.from({ length: 30 }, (_, i) => vocabulary[5 + (i % 11)]!);
    const cut = await text.extractTexts([long.join(' ')]);
    expectClose(cut, meanOf(statesOf(long)), { relative: 1e-5 });
    const shorter = await text.extractTexts([long.join(' ')], { maxLength: 5 });
    expectClose(shorter, meanOf(statesOf(long, 5)), { relative: 1e-5 });
  });

  test.each([
    [{ model_type: 'bert', pad_token_id: 0 }, 11],
    [{ model_type: 'roberta', pad_token_id: 1 }, 9],
    [{ model_type: 'xlm-roberta', pad_token_id: 0 }, 10],
    [{ model_type: 'roberta', pad_token_id: null }, 11],
  ])('cuts at the positions of a model whose tokenizer has no limit: %j', async (config, most) => {
    const path = await writeTextModel(join(folder, `${config.model_type}-${most}`));
    await (await BertTokenizer.fromVocab(vocabulary, { maxLength: 1e9 })).save(path);
    const whole = { ...config, hidden_size: textWidth, max_position_embeddings: 11 };
    await writeFile(join(path, 'config.json'), JSON.stringify(whole));
    const encoder = await TransformersTextEncoder.fromPretrained(path);
    expect(encoder.maxLength).toBe(most);
    const long = Array.from({ length: 30 }, (_, i) => vocabulary[5 + (i % 11)]!);
    const cut = await encoder.extractTexts([long.join(' ')]);
    expectClose(cut, meanOf(statesOf(long, most)), { relative: 1e-5 });
    encoder.dispose();
  });

  test('says what is wrong where the model is no such, has no such pooling, or takes no tensors', async () => {
    const open = TransformersTextEncoder.fromPretrained(join(folder, 'nowhere'));
    await expect(open).rejects.toThrow(/^transformers: .*nowhere cannot be loaded \(/);
    await expect(open).rejects.toThrow(InputError);
    const pooler = { pooling: 'pooler' } as const;
    await expect(TransformersTextEncoder.fromPretrained(textFolder, pooler)).rejects.toThrow(
      /gives no features \(transformers: pooling 'pooler' is not possible: the model has no pooler\)/,
    );
    await expect(
      TransformersTextEncoder.fromPretrained(textFolder, { pooling: 'max' as never }),
    ).rejects.toThrow("transformers: pooling must be one of cls, mean, pooler, got 'max'");
    expect(() => text.forward()).toThrow(/reads rows as they are, and no tensors/);
    expect(text.frozen).toBe(true);
  });
});

describe('an image encoder', () => {
  test('gives the mean of a map, of pictures that its own processor made', async () => {
    const pictures = [picture(1), picture(3)];
    const read = await Promise.all(pictures.map((one) => image.readImage(one)));
    expect(read[0]!.shape).toEqual([3, side, side]);
    const expected = pictures.flatMap((one) => mapOf(one).map(average));
    expect(image.config.pooling).toBe('mean');
    expectClose(await image.extractImages(read), expected, { relative: 1e-5 });
  });

  test('gives what the pooler makes, where that is asked for, and has no [CLS] of a map', async () => {
    const pooled = await TransformersImageEncoder.fromPretrained(imageFolder, {
      pooling: 'pooler',
    });
    const expected = mapOf(picture(5)).map((values) => Math.max(...values));
    const read = await pooled.readImage(picture(5));
    expectClose(await pooled.extractImages([read]), expected, { relative: 1e-5 });
    pooled.dispose();
    await expect(
      TransformersImageEncoder.fromPretrained(imageFolder, { pooling: 'cls' }),
    ).rejects.toThrow(/pooling 'cls' is not possible: the model gives a map of places/);
  });

  test('reads files, resized by its processor, and names those that cannot be read', async () => {
    const path = new URL('../fixtures/images/rgb.jpg', import.meta.url).pathname;
    const { shape, data } = await image.readImage(path);
    expect(shape).toEqual([3, side, side]);
    expect(new Set(data).size).toBeGreaterThan(10);
    await writeFile(join(folder, 'broken.jpg'), 'no picture');
    await expect(image.readImage(join(folder, 'broken.jpg'))).rejects.toThrow(
      /^image: .*broken.jpg cannot be decoded/,
    );
  });
});

/** A model on both, whose fusion alone is trained. */
function modelOf(options: ModelOptions = {}): BertResNetModel {
  return new BertResNetModel({ labels, text, image, hiddenSize: 8, ...options });
}

async function lossesOf(model: BertResNetModel, options: TrainerOptions = {}): Promise<number[]> {
  const losses: number[] = [];
  const onStep = ({ loss }: StepRecord): void => void losses.push(loss!);
  const how = { epochs: 2, batchSize: 4, learningRate: 0.02, ...options };
  await new Trainer(model, how).fit(tinyData(18), { validation: tinyData(6, 2), onStep });
  return losses;
}

describe('a model on such encoders', () => {
  test('learns, and answers rows, batches and features alike', async () => {
    const model = modelOf();
    const losses = await lossesOf(model, { epochs: 8 });
    expect(average(losses.slice(-5))).toBeLessThan(0.5 * average(losses.slice(0, 5)));
    const rows = tinyRows(6, 2);
    const report = await evaluate(model, datasetFrom(rows, { labels }));
    expect(report.accuracy).toBeGreaterThan(0.6);
    const predicted = await model.predict(rows);
    expect(predicted.filter(({ label }, i) => label === rows[i]!.label)).toHaveLength(
      Math.round(report.accuracy * 6),
    );
    const answers = await answerRows(model, datasetFrom(rows, { labels }));
    const read = await Promise.all(rows.map((row) => image.readImage(row.image!)));
    const [texts, images] = [
      await text.extractTexts(rows.map((row) => row.text!)),
      await image.extractImages(read),
    ];
    const logits = tf.tidy(() =>
      model.classify({
        text: tf.tensor2d(texts, [6, textWidth]),
        image: tf.tensor2d(images, [6, imageWidth]),
      }),
    );
    expectClose(await logits.data(), answers.in('both').logits, { relative: 1e-5 });
    logits.dispose();
  });

  test('answers rows that lack an input by the other', async () => {
    const model = modelOf();
    const [row] = tinyRows(1, 3);
    const rows = [{ text: row!.text! }, { image: row!.image! }, row!];
    const [ofText, ofImage] = await model.predict(rows);
    const [alone] = await model.predict([row!], { mode: 'text' });
    expect(ofText).toEqual(alone);
    expect(ofImage).toEqual((await model.predict([row!], { mode: 'image' }))[0]);
    const report = await evaluate(
      model,
      datasetFrom(
        rows.map((one) => ({ ...one, label: row!.label })),
        { labels },
      ),
    );
    expect(report.missing).toEqual({ text: 1, image: 1 });
  });

  test('shares its work with an encoder that is trained', async () => {
    const ownText = modelOf({
      text: { ...tinyGeometry, vocabSize: vocabulary.length },
      tokenizer: await BertTokenizer.fromVocab(vocabulary),
    });
    const before = (await weightsOf(ownText))['text_encoder.embeddings.word_embeddings.weight'];
    const losses = await lossesOf(ownText, { epochs: 4 });
    const after = (await weightsOf(ownText))['text_encoder.embeddings.word_embeddings.weight'];
    expect(after).not.toEqual(before);
    expect(average(losses.slice(-5))).toBeLessThan(average(losses.slice(0, 5)));
    const ownImage = modelOf({
      image: { embeddingSize: 4, hiddenSizes: [4], depths: [1], layerType: 'basic' },
      processor: new ImageProcessor({ size: { height: side, width: side }, cropSize: side }),
    });
    await lossesOf(ownImage);
    const rows = tinyRows(3, 4);
    const answers = await answerRows(ownImage, datasetFrom(rows, { labels }));
    const predicted = await ownImage.predict(rows);
    expectClose(
      predicted.flatMap(({ probabilities }) => labels.map((label) => probabilities[label]!)),
      answers.in('both').probabilities,
      { relative: 1e-5 },
    );
  });

  test('trains from cached features with the same losses, and reads no row again', async () => {
    const cache = join(folder, 'cache');
    const losses = await lossesOf(modelOf());
    const cached = await lossesOf(modelOf(), { cacheFeatures: cache });
    expectClose(cached, losses, { relative: 1e-5 });
    const files = await readdir(cache);
    expect(files.length).toBeGreaterThan(0);
    const model = modelOf();
    const counted = { texts: 0 };
    const extract = text.extractTexts.bind(text);
    text.extractTexts = (...words) => {
      counted.texts++;
      return extract(...words);
    };
    try {
      expectClose(await lossesOf(model, { cacheFeatures: cache }), losses, { relative: 1e-5 });
    } finally {
      delete (text as Partial<TransformersTextEncoder>).extractTexts;
    }
    expect(counted.texts).toBe(0);
    expect(await readdir(cache)).toEqual(files);
  });

  test('refuses what an encoder without tensors cannot do', async () => {
    const train = (options: TrainerOptions): Promise<number[]> => lossesOf(modelOf(), options);
    await expect(train({ augment: { horizontalFlip: 0.5 } })).rejects.toThrow(
      /^augment: pictures are read by the image encoder itself/,
    );
    expect(() => modelOf({ fusion: 'cross-attention' })).toThrow(InputError);
    await expect(modelOf().toOnnx()).rejects.toThrow(
      /^toOnnx: mode 'both' needs the text encoder, which another library runs/,
    );
    const ids = tf.zeros<tf.Rank.R2>([1, 3], 'int32');
    expect(() => modelOf().forward({ text: { inputIds: ids } })).toThrow(
      /takes? no tensors|no tensors/,
    );
    ids.dispose();
  });

  test('leaves words out at random, where augmentation says so', async () => {
    const plain = await lossesOf(modelOf());
    const dropped = await lossesOf(modelOf(), { augment: { wordDropout: 0.6 } });
    expect(dropped).not.toEqual(plain);
  });
});

describe('a saved model on such encoders', () => {
  test('names them, and answers as before when it is loaded', async () => {
    const model = modelOf();
    await lossesOf(model);
    const rows = tinyRows(4, 5);
    const before = await model.predict(rows);
    const saved = join(folder, 'saved');
    await model.save(saved);
    const config = JSON.parse(await readFile(join(saved, 'config.json'), 'utf8'));
    expect(config.text).toMatchObject({
      modelType: 'transformers',
      ...{ model: textFolder, revision: 'main', dtype: 'fp32', pooling: 'mean' },
      featureSize: textWidth,
    });
    expect(config.text.probe).toHaveLength(textWidth);
    const loaded = await BertResNetModel.fromPretrained(saved);
    expect(await loaded.predict(rows)).toEqual(before);
    loaded.dispose();
    const card = await readFile(join(saved, 'README.md'), 'utf8');
    expect(card).toContain('npm install @huggingface/transformers');
    expect(card).toContain(textFolder);
  });

  test('is refused where what it names has other weights, unless the right one is passed', async () => {
    const own = await writeTextModel(join(folder, 'moving'));
    const encoder = await TransformersTextEncoder.fromPretrained(own);
    const saved = join(folder, 'moved');
    const model = await tinyModel({ text: encoder });
    await model.save(saved);
    await writeTextModel(own, 2);
    await expect(BertResNetModel.fromPretrained(saved)).rejects.toThrow(
      /^transformers: .*moving \(revision main\) must be the one that the saved model was trained with/,
    );
    const given = await BertResNetModel.fromPretrained(saved, { text: encoder });
    const rows = tinyRows(2);
    expect(await given.predict(rows)).toEqual(await model.predict(rows));
    encoder.dispose();
  });
});

const tinyGeometry = {
  ...{ hiddenSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 12 },
  maxPositionEmbeddings: 16,
};
