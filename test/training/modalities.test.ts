import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { batches } from '../../src/datasets/batch.js';
import type { Batch } from '../../src/datasets/batch.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { LabelledExample } from '../../src/datasets/exampleDataset.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import type { BertResNetModel } from '../../src/model.js';
import { DropoutSource } from '../../src/nn/dropout.js';
import { Random } from '../../src/nn/random.js';
import { batchLoss } from '../../src/training/batchLoss.js';
import { answerRows, evaluate } from '../../src/training/evaluate.js';
import type { ModeReport } from '../../src/training/evaluate.js';
import { droppedInputs } from '../../src/training/modalityDropout.js';
import { classificationReport } from '../../src/training/metrics.js';
import { modulate, modulationCoefficients } from '../../src/training/modulation.js';
import { ignoredInput, measureReliance } from '../../src/training/reliance.js';
import { rowLosses } from '../../src/training/rowLoss.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { labels, tinyData, tinyModel, tinyRows } from './tiny.js';

async function batchOf(model: BertResNetModel, rows: readonly LabelledExample[]): Promise<Batch> {
  const { tokenizer, processor } = model;
  const data = datasetFrom(rows, { labels });
  for await (const batch of batches(data, { batchSize: rows.length, tokenizer, processor })) {
    return batch;
  }
  throw new Error('no batch');
}

describe('droppedInputs', () => {
  const has = (count: number, present: boolean) => Array.from({ length: count }, () => present);

  it('leaves inputs out as often as asked, and the same ones for the same key', () => {
    const batch = { hasText: has(20_000, true), hasImage: has(20_000, true) };
    const dropped = droppedInputs(batch, { text: 0.1, image: 0.3 }, 1, 'modality', 2);
    const share = (input?: string) => dropped.filter((one) => one === input).length / 20_000;
    expect(share('text')).toBeCloseTo(0.1, 2);
    expect(share('image')).toBeCloseTo(0.3, 2);
    expect(droppedInputs(batch, { text: 0.1, image: 0.3 }, 1, 'modality', 2)).toEqual(dropped);
    expect(droppedInputs(batch, { text: 0.1, image: 0.3 }, 1, 'modality', 3)).not.toEqual(dropped);
  });

  it('leaves a row that lacks an input what it has', () => {
    const batch = { hasText: [true, false], hasImage: [false, true] };
    expect(droppedInputs(batch, { text: 0.5, image: 0.5 }, 1)).toEqual([undefined, undefined]);
  });

  it('moves the loss of a row to the head of what is left', () => {
    const batch = { size: 3, hasText: has(3, true), hasImage: has(3, true) } as unknown as Batch;
    const auxiliary = { weight: 0, reachEncoders: false };
    const { weights, rows, reach } = rowLosses(batch, 'both', auxiliary, [
      ...(['text', 'image', undefined] as const),
    ]);
    expect(rows).toBe(3);
    expect([...weights.image!]).toEqual([1, 0, 0]);
    expect([...weights.text!]).toEqual([0, 1, 0]);
    expect([...weights.both!]).toEqual([0, 0, 1]);
    expect([...reach]).toEqual([1, 1, 0]);
  });
});

describeBackends('gradient modulation', () => {
  const rows = tinyRows(6);

  /** The coefficients that the paper's formula gives for the probabilities of the right classes. */
  const expected = (text: number, image: number, alpha: number) => {
    const of = (ratio: number): number => (ratio > 1 ? 1 - Math.tanh(alpha * ratio) : 1);
    return [of(text / image), of(image / text)];
  };

  test('scales the gradient of each encoder by its coefficient, and nothing else', async () => {
    const model = await tinyModel();
    const batch = await batchOf(model, rows);
    const losses = rowLosses(batch, 'both', { weight: 1, reachEncoders: false });
    const about = { labelSmoothing: 0, mixup: 0, seed: 1, index: 0, epoch: 0, divisor: 6 };
    const parameters = model.namedParameters();
    const gradients = async (gradientModulation?: { alpha: number; noise: boolean }) => {
      const options = { ...about, random: new DropoutSource(1, 0) };
      const { value, grads } = tf.variableGrads(
        () => batchLoss(model, batch, batch.labels, losses, { ...options, gradientModulation }),
        [...parameters.values()],
      );
      value.dispose();
      const found = [...parameters].map(
        async ([name, { name: own }]) => [name, await take(grads[own]!)] as const,
      );
      return new Map(await Promise.all(found));
    };
    const [plain, slowed] = [await gradients(), await gradients({ alpha: 0.7, noise: false })];
    // The features that the step saw, its dropout included, gave these coefficients.
    const norm = (values: readonly number[]): number => Math.hypot(...values);
    const ratio = (prefix: string): number[] =>
      [...plain].flatMap(([name, values]) =>
        name.startsWith(prefix) && norm(values) > 1e-6
          ? [norm(slowed.get(name)!) / norm(values)]
          : [],
      );
    const [text, image] = [ratio('text_encoder.'), ratio('visual_encoder.')];
    for (const part of [text, image]) {
      expect(part.length).toBeGreaterThan(5);
      part.forEach((one) => expect(one).toBeCloseTo(part[0]!, 3));
    }
    expect(Math.max(text[0]!, image[0]!)).toBeCloseTo(1, 5);
    expect(Math.min(text[0]!, image[0]!)).toBeLessThan(1 - Math.tanh(0.7));
    for (const one of ratio('mlp_')) expect(one).toBeCloseTo(1, 5);
    model.dispose();
  });

  test('has the paper’s coefficients', async () => {
    const model = await tinyModel();
    const { textSize, imageSize } = model.fusion.sizes;
    const random = new Random(3);
    const normal = (size: number) => Float32Array.from({ length: 4 * size }, () => random.normal());
    const features = {
      text: tf.tensor2d(normal(textSize), [4, textSize]),
      image: tf.tensor2d(normal(imageSize), [4, imageSize]),
    };
    const classes = tf.tensor2d([1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0], [4, 3]);
    const complete = tf.tensor2d([1, 1, 0, 1], [4, 1]);
    const scores = await Promise.all(
      (['text', 'image'] as const).map(async (mode) => {
        const p = await take(tf.tidy(() => tf.softmax(model.classify(features, { mode }))));
        return p[0]! + p[3 + 2]! + p[9 + 1]!;
      }),
    );
    for (const alpha of [0.1, 0.8]) {
      const { text, image } = tf.tidy(
        () =>
          ({ ...modulationCoefficients(model, features, { classes, complete }, alpha) }) as Record<
            string,
            tf.Tensor
          >,
      );
      const found = [...(await take(text!)), ...(await take(image!))];
      expectClose(found, expected(scores[0]!, scores[1]!, alpha), { relative: 1e-5 });
    }
    tf.dispose([features.text, features.image, classes, complete]);
    model.dispose();
  });

  test('adds noise of the gradient’s own deviation', async () => {
    const model = await tinyModel();
    const { textSize, imageSize } = model.fusion.sizes;
    const [text, image] = [tf.ones([400, textSize]), tf.ones([400, imageSize])] as tf.Tensor2D[];
    const inputs = () => ({
      classes: tf.zeros([400, 3]) as tf.Tensor2D,
      complete: tf.ones([400, 1]) as tf.Tensor2D,
      key: [1, 'ogm', 0],
    });
    const dy = Float32Array.from({ length: 400 * textSize }, (_, i) => (i % 2 ? 3 : -1));
    const gradient = tf.tidy(() =>
      tf.grad((x) => {
        const features = { text: x as tf.Tensor2D, image: image! };
        const found = modulate(model, features, inputs(), { alpha: 0.5, noise: true });
        return tf.sum(tf.mul(found.text!, tf.tensor2d(dy, [400, textSize])));
      })(text!),
    );
    // No probability is that of a right class, so nothing is scaled: the ratio is 0.
    const noise = (await take(gradient)).map((value, i) => value - dy[i]!);
    const average = noise.reduce((a, b) => a + b) / noise.length;
    const deviation = Math.sqrt(noise.reduce((a, b) => a + b * b, 0) / noise.length);
    expect(Math.abs(average)).toBeLessThan(0.15);
    expect(deviation).toBeGreaterThan(1.9);
    expect(deviation).toBeLessThan(2.1);
    tf.dispose([text!, image!]);
    model.dispose();
  });

  test('needs heads to compare', async () => {
    const model = await tinyModel();
    const options = { gradientModulation: {}, auxiliary: { weight: 0 } };
    expect(() => new Trainer(model, options)).toThrow('does not train them');
    expect(new Trainer(model, { gradientModulation: {} }).options.gradientModulation).toEqual({
      ...{ alpha: 0.3, noise: true },
    });
    model.dispose();
  });
});

describeBackends('reliance', () => {
  const quick: TrainerOptions = { epochs: 4, batchSize: 8, learningRate: 0.03 };

  test('tells an input that is ignored, and a run says so once', async () => {
    const model = await tinyModel();
    const { mlpBoth } = model.fusion as unknown as { mlpBoth: { fc1: { weight: tf.Variable } } };
    const { weight } = mlpBoth.fc1;
    const { textSize, imageSize } = model.fusion.sizes;
    // The columns of the picture's features are zero, and stay so.
    tf.tidy(() => {
      const mask = tf.concat([tf.ones([8, textSize]), tf.zeros([8, imageSize])], 1);
      weight.assign(tf.mul(weight, mask));
    });
    const warnings: string[] = [];
    const trainer = new Trainer(model, {
      ...{ ...quick, epochs: 12, freeze: { parameters: ['mlp_both.fc1.weight'] } },
      onWarning: (warning) => warnings.push(warning),
    });
    const history = await trainer.fit(tinyData(30), { validation: tinyData(60, 2) });
    const { reliance } = history.at(-1)!;
    expect(reliance).toMatchObject({ image: 0, rows: 60, ignored: 'image' });
    expect(reliance!.text).toBeGreaterThan(0.4);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('the picture is ignored');
    // Not before there is something that the answers rest on.
    const first = history.find((one) => one.reliance!.ignored !== undefined)!;
    expect(warnings[0]).toContain(`after epoch ${first.epoch} `);
    expect(first.validation!.accuracy).toBeGreaterThan(0.4);
    const few = tinyData(12, 2);
    const seen = await measureReliance(model, few, {}, {});
    expect(seen).toMatchObject({ image: 0, rows: 12 });
    expect(ignoredInput(seen!, await evaluate(model, few))).toBeUndefined();
    model.dispose();
  });

  test.each(['mlp', 'transformer'])('%s: is what other rows make of answers', async (type) => {
    const fusion = type === 'transformer' ? { type, dim: 8, heads: 2, layers: 1 } : type;
    const model = await tinyModel({ fusion });
    await new Trainer(model, quick).fit(tinyData(30), { validation: tinyData(12, 2) });
    const rows = tinyRows(24, 2);
    const next = (i: number): LabelledExample => rows[(i + 1) % rows.length]!;
    const predictions = async (examples: readonly LabelledExample[]): Promise<Int32Array> =>
      (await answerRows(model, datasetFrom(examples, { labels }))).in('both').predictions;
    const own = await predictions(rows);
    const others = {
      text: await predictions(rows.map((row, i) => ({ ...row, text: next(i).text }))),
      image: await predictions(rows.map((row, i) => ({ ...row, image: next(i).image }))),
    };
    const share = (answers: Int32Array): number =>
      answers.filter((answer, row) => answer !== own[row]).length / rows.length;
    const reliance = await measureReliance(model, datasetFrom(rows, { labels }), {}, {});
    expect(reliance).toEqual({ text: share(others.text), image: share(others.image), rows: 24 });
    expect(reliance!.text + reliance!.image).toBeGreaterThan(0);
    model.dispose();
  });

  test('is known of a fusion that runs the layers of BERT', async () => {
    const model = await tinyModel({ fusion: 'mmbt' });
    const share: unknown = expect.any(Number);
    const reliance = await measureReliance(model, datasetFrom(tinyRows(8), { labels }), {}, {});
    expect(reliance).toEqual({ text: share, image: share, rows: 8 });
    model.dispose();
  });

  test('is of rows that have both', async () => {
    const model = await tinyModel();
    const alone = tinyRows(6).map(({ text, label }) => ({ text, label }));
    const lacking = datasetFrom(alone, { labels });
    expect(await measureReliance(model, lacking, {}, {})).toBeUndefined();
    model.dispose();
  });
});

describe('ignoredInput', () => {
  /** A report of so many rows of two labels, equally frequent, of which a share is answered well. */
  const report = (rows: number, share: number): ModeReport => {
    const classes = Array.from({ length: rows }, (_, i) => i % 2);
    const logits = classes.flatMap((c, i) => (i < share * rows === (c === 0) ? [1, 0] : [0, 1]));
    return { ...classificationReport(classes, Float32Array.from(logits), ['a', 'b']), missing: {} };
  };

  it('is one that changes hardly an answer, where the other does', () => {
    const good = report(128, 0.9);
    expect(ignoredInput({ text: 0.5, image: 0.005, rows: 128 }, good)).toBe('image');
    expect(ignoredInput({ text: 0.01, image: 0.6, rows: 128 }, good)).toBe('text');
    expect(ignoredInput({ text: 0.5, image: 0.1, rows: 128 }, good)).toBeUndefined();
    expect(ignoredInput({ text: 0.1, image: 0, rows: 128 }, good)).toBeUndefined();
  });

  it('is not told by chance', () => {
    const reliance = { text: 0.5, image: 0, rows: 128 };
    expect(ignoredInput(reliance, report(128, 0.56))).toBeUndefined();
    expect(ignoredInput(reliance, report(1000, 0.56))).toBe('image');
    expect(ignoredInput({ ...reliance, rows: 40 }, report(128, 0.9))).toBeUndefined();
  });
});

describe('rows that lack an input', () => {
  // Their batches are of many shapes, which an engine would compile.
  beforeAll(() => useBackend('wasm'));

  /** Rows of which this share, drawn at random, lacks its text or its picture. */
  const lacking = (count: number, share: number, seed: number): LabelledExample[] => {
    const place = new Random(seed, 'lacking').permutation(count);
    return tinyRows(count, seed).map(({ text, image, label }, i) => {
      if (place[i]! >= count * share) return { text, image, label };
      return place[i]! % 2 === 0 ? { text, label } : { image, label };
    });
  };
  const accuracies = async (
    train: readonly LabelledExample[],
    test: readonly LabelledExample[],
    options: TrainerOptions,
  ) => {
    // Large enough that one picture of a batch has statistics.
    const processor = new ImageProcessor({ size: { height: 16, width: 16 }, cropSize: 16 });
    const model = await tinyModel({ processor });
    const training = { learningRate: 0.02, ...options };
    await new Trainer(model, training).fit(datasetFrom(train, { labels }));
    const report = await evaluate(model, datasetFrom(test, { labels }));
    model.dispose();
    return report;
  };

  test('are answered by the head of what they have', async () => {
    const unseen = lacking(200, 0.7, 9);
    const options = { epochs: 30, batchSize: 10, modalityDropout: 0.2 };
    const report = await accuracies(lacking(30, 0.7, 1), unseen, options);
    expect(report.missing.text! + report.missing.image!).toBe(140);
    const { both, text, image } = report.byPresence!;
    const all = [both!, text!, image!];
    expect(all.map(({ rows }) => rows)).toEqual([60, 70, 70]);
    for (const { accuracy } of all) expect(accuracy).toBeGreaterThan(0.85);
    const right = all.reduce((sum, one) => sum + one.rows * one.accuracy, 0);
    expect(right / 200).toBeCloseTo(report.accuracy, 12);
  });

  // So few rows that each counts: with 30 of which 30% lack one, either arm answers nearly all.
  test.each([0.3, 0.7])('where %d lack one, all teach more than the whole ones', async (share) => {
    const options = { epochs: 30, batchSize: 5 };
    const found = { all: 0, whole: 0 };
    for (const seed of [1, 2, 3]) {
      const train = lacking(10, share, seed);
      const whole = train.filter(({ text, image }) => text !== undefined && image !== undefined);
      expect(whole).toHaveLength(10 - 10 * share);
      const unseen = lacking(200, share, seed + 100);
      found.all += (await accuracies(train, unseen, { ...options, seed })).accuracy / 3;
      found.whole += (await accuracies(whole, unseen, { ...options, seed })).accuracy / 3;
    }
    expect(found.all).toBeGreaterThan(found.whole);
    expect(found.all).toBeGreaterThan(0.8);
  });
});
