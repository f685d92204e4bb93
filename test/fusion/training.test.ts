import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { FusionConfig } from '../../src/fusion/fusion.js';
import { evaluate } from '../../src/training/evaluate.js';
import { Trainer } from '../../src/training/trainer.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { labels, tinyData, tinyModel, tinyRows } from '../training/tiny.js';

const recipe = { epochs: 6, batchSize: 8, learningRate: 0.02, warmupRatio: 0 };

/** Rows of which some lack a picture or a text. */
function incomplete(count: number) {
  const rows = tinyRows(count).map(({ text, image, label }, i) =>
    i % 5 === 1 ? { text, label } : i % 5 === 3 ? { image, label } : { text, image, label },
  );
  return datasetFrom(rows, { labels, name: 'incomplete' });
}

describeBackends('fusions with losses of their own', () => {
  test.each<FusionConfig>([{ type: 'evidential', annealing: 3 }, { type: 'qmf' }])(
    '%j learns, of rows that lack an input too',
    async (fusion) => {
      const model = await tinyModel({ fusion });
      const history = await new Trainer(model, recipe).fit(incomplete(40));
      expect(history.every(({ loss }) => Number.isFinite(loss))).toBe(true);
      const report = await evaluate(model, tinyData(30, 7));
      expect(report.accuracy).toBeGreaterThan(0.8);
      model.dispose();
    },
  );

  test('class weights count in a loss of its own as in cross-entropy: a row twice', async () => {
    const rows = tinyRows(6);
    const twice = rows.flatMap((row) => (row.label === labels[0] ? [row, row] : [row]));
    const firstLoss = async (examples: typeof rows, classWeights?: number[]): Promise<number> => {
      const model = await tinyModel({ fusion: { type: 'evidential', annealing: 1 } });
      const how = { ...recipe, epochs: 2, batchSize: 8, learningRate: 0, classWeights };
      model.freeze({ text: true, image: true }); // no statistics of a batch
      const history = await new Trainer(model, how).fit(datasetFrom(examples, { labels }));
      model.dispose();
      return history[1]!.loss;
    };
    expect(await firstLoss(rows, [2, 1, 1])).toBeCloseTo(await firstLoss(twice), 4);
  });

  test('the focal form of a cross-entropy that the fusion does not use is refused', async () => {
    const model = await tinyModel({ fusion: 'evidential' });
    await expect(new Trainer(model, { focalGamma: 2 }).fit(tinyData(6))).rejects.toThrow(
      "focalGamma changes cross-entropy, and the fusion 'evidential' has a loss of its own",
    );
    model.dispose();
  });

  test('the modulation of vectors that the fusion does not read is refused', async () => {
    const model = await tinyModel({ fusion: 'cross-attention' });
    await expect(new Trainer(model, { gradientModulation: {} }).fit(tinyData(6))).rejects.toThrow(
      "gradientModulation modulates the pooled features, and the fusion 'cross-attention' reads sequences",
    );
    model.dispose();
  });

  test('an evidential answer has the probabilities alpha / S', async () => {
    const model = await tinyModel({ fusion: 'evidential' });
    const [row] = tinyRows(1);
    const [answer] = await model.predict([row!]);
    const features = { text: row!.text!, image: row!.image! };
    const text = model.tokenizer!.encode([features.text], { padToMultipleOf: 8 });
    const image = await model.processor!.process([features.image]);
    const evidence = async (mode: 'text' | 'image'): Promise<number[]> =>
      (await take(model.forward({ text, image }, { mode }))).map((logit) => Math.exp(logit) - 1);
    const [t, i] = [await evidence('text'), await evidence('image')];
    const alpha = t.map((e, k) => e + i[k]! + (e * i[k]!) / 3 + 1);
    const sum = alpha.reduce((a, b) => a + b);
    expectClose(
      labels.map((label) => answer!.probabilities[label]!),
      alpha.map((one) => one / sum),
      { relative: 1e-5 },
    );
    tf.dispose([{ ...text }, image]);
    model.dispose();
  });

  test('the divergence of an evidential loss grows by epoch: the first trains without it', async () => {
    const firstLosses = async (annealing: number): Promise<number[]> => {
      const model = await tinyModel({ fusion: { type: 'evidential', annealing } });
      const options = { ...recipe, epochs: 2, schedule: 'constant' as const };
      const history = await new Trainer(model, options).fit(tinyData(16));
      model.dispose();
      return history.map(({ loss }) => loss);
    };
    const [slow, fast] = [await firstLosses(1e6), await firstLosses(1)];
    expect(fast[0]).toBeCloseTo(slow[0]!, 5);
    expect(fast[1]! - slow[1]!).toBeGreaterThan(0.01);
  });
});
