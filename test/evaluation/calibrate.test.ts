import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { calibrate } from '../../src/evaluation/calibrate.js';
import { BertResNetModel } from '../../src/model.js';
import { OnnxModel } from '../../src/onnx/onnxModel.js';
import { answerRows, evaluate } from '../../src/training/evaluate.js';
import { logLoss } from '../../src/training/metrics.js';
import { Trainer } from '../../src/training/trainer.js';
import { labels, tinyData, tinyModel, tinyRows } from '../training/tiny.js';

beforeAll(() => useBackend('cpu'));

/** Rows of which some have only a text, some only a picture, and every fifth a wrong label. */
const rows = tinyRows(60).map(({ text, image, label }, i) => ({
  ...(i % 4 === 1 ? {} : { text }),
  ...(i % 4 === 2 ? {} : { image }),
  label: i % 5 === 0 ? labels[(labels.indexOf(label!) + 1) % 3]! : label!,
}));
const data = datasetFrom(rows, { labels, name: 'noisy' });

/** A model that has learned a little, so that its answers are better than chance. */
async function trained(): Promise<BertResNetModel> {
  const model = await tinyModel();
  const trainer = new Trainer(model, { epochs: 6, batchSize: 16, learningRate: 0.02 });
  await trainer.fit(tinyData(48, 7));
  return model;
}

describe('calibrate', () => {
  it('fits each head on its own answers, and the log loss of the rows falls', async () => {
    const model = await trained();
    const before = await evaluate(model, data);
    expect(before.calibrated).toBeUndefined();
    const { heads, data: name } = await calibrate(model, data, { minimumRows: 3 });
    expect(name).toBe('noisy');
    expect([heads.text!.rows, heads.image!.rows, heads.both!.rows]).toEqual([45, 45, 30]);
    const after = await evaluate(model, data);
    expect(after.loss).toBe(before.loss);
    expect(after.ece).toBe(before.ece);
    for (const mode of ['text', 'image'] as const) {
      expect(heads[mode]!.temperature).not.toBe(1);
      expect(after.modes[mode]!.calibrated!.loss).toBeLessThan(before.modes[mode]!.loss);
      const answers = (await answerRows(model, data)).in(mode);
      const values = answers.logits.map((logit) => logit / heads[mode]!.temperature);
      const expected = logLoss(answers.labels, { values, classes: 3 });
      expect(after.modes[mode]!.calibrated!.loss).toBeCloseTo(expected, 5);
    }
    model.dispose();
  });

  it('keeps the heads that answer none of the rows', async () => {
    const model = await tinyModel();
    const before = await calibrate(model, data);
    const texts = datasetFrom(
      rows.filter(({ text }) => text !== undefined).map(({ text, label }) => ({ text, label })),
      { labels, name: 'texts' },
    );
    const after = await calibrate(model, texts);
    expect(after.data).toBe('noisy and texts');
    expect(after.heads).toEqual({ ...before.heads, text: after.heads.text });
    expect(model.calibration).toBe(after);
    expect(await calibrate(model, data)).toEqual(before);
    model.dispose();
  });

  it('predict divides by the temperature of the head that answers, and so does a saved and an exported model', async () => {
    const model = await trained();
    const inputs = rows.slice(0, 8).map(({ text, image }) => ({ text, image }));
    const plain = await model.predict(inputs);
    await calibrate(model, data);
    const answers = await model.predict(inputs);
    inputs.forEach((input, i) => {
      const head = input.text ? (input.image ? 'both' : 'text') : 'image';
      const { temperature } = model.calibration!.heads[head]!;
      const odds = (of: typeof plain): number =>
        Math.log(of[i]!.probabilities['cold']! / of[i]!.probabilities['warm']!);
      expect(odds(answers)).toBeCloseTo(odds(plain) / temperature, 3);
      expect(answers[i]!.label).toBe(plain[i]!.label);
      expect(answers[i]).not.toHaveProperty('abstained');
    });
    const folder = await mkdtemp(join(tmpdir(), 'bertresnet-calibrated-'));
    await model.save(join(folder, 'model'));
    const again = await BertResNetModel.fromPretrained(join(folder, 'model'));
    expect(again.calibration).toEqual(model.calibration);
    const texts = inputs.filter(({ text }) => text !== undefined).map(({ text }) => ({ text }));
    const exported = await OnnxModel.fromPretrained(await model.toOnnx({ mode: 'text' }));
    const [expected, got] = [await again.predict(texts), await exported.predict(texts)];
    got.forEach(({ probability }, i) =>
      expect(probability).toBeCloseTo(expected[i]!.probability, 4),
    );
    await exported.dispose();
    again.dispose();
    model.dispose();
    await rm(folder, { recursive: true });
  });

  it('abstains from answers below a threshold, and below a wanted precision', async () => {
    const model = await trained();
    const inputs = tinyRows(40, 3).map(({ text, image }) => ({ text, image }));
    await calibrate(model, data, { minimumRows: 2 });
    for (const { probability, abstained } of await model.predict(inputs, { threshold: 0.6 }))
      expect(abstained).toBe(probability < 0.6);
    for (const one of await model.predict(inputs, { threshold: { cold: 1 } }))
      expect(one.abstained).toBe(one.label === 'cold' && one.probability < 1);
    const { precision } = model.calibration!.heads.text!;
    const asked = { mode: 'text', minimumPrecision: 0.8 } as const;
    const found = await model.predict(inputs, asked);
    for (const { label, probability, abstained } of found) {
      const point = precision[label]!.find((one) => one.precision >= 0.8);
      expect(abstained).toBe(point === undefined || probability < point.threshold);
    }
    expect(new Set(found.map(({ abstained }) => abstained))).toEqual(new Set([true, false]));
    model.dispose();
  });

  it('kept answers are as precise as was asked for, on the rows that it was calibrated on', async () => {
    const model = await trained();
    await calibrate(model, data, { minimumRows: 2 });
    const inputs = rows.map(({ text, image }) => ({ text, image }));
    const texts = rows.flatMap((row, i) => (row.text === undefined ? [] : [i]));
    const answers = await model.predict(
      texts.map((i) => inputs[i]!),
      { mode: 'text', minimumPrecision: 0.75 },
    );
    for (const label of labels) {
      const kept = texts.filter((_, k) => answers[k]!.label === label && !answers[k]!.abstained);
      if (kept.length === 0) continue;
      const right = kept.filter((i) => rows[i]!.label === label).length;
      expect(right / kept.length).toBeGreaterThanOrEqual(0.75);
    }
    model.dispose();
  });

  it('training outdates it', async () => {
    const model = await trained();
    await calibrate(model, data);
    await new Trainer(model, { epochs: 1 }).fit(tinyData(6));
    expect(model.calibration).toBeUndefined();
    model.dispose();
  });

  it('refuses what cannot be meant', async () => {
    const model = await tinyModel();
    const input = [{ text: 'the sun' }];
    await expect(model.predict(input, { minimumPrecision: 0.9 })).rejects.toThrow(
      "mode 'text' are calibrated",
    );
    await expect(model.predict(input, { threshold: 90 })).rejects.toThrow('from 0 to 1, got 90');
    await expect(model.predict(input, { threshold: { hot: 0.5 } })).rejects.toThrow("got 'hot'");
    await expect(calibrate(model, data, { minimumRows: 0 })).rejects.toThrow('minimumRows');
    const folder = await mkdtemp(join(tmpdir(), 'bertresnet-calibrated-'));
    await model.save(folder);
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object;
    const broken = { ...config, calibration: { heads: { both: { temperature: -1 } } } };
    await writeFile(join(folder, 'config.json'), JSON.stringify(broken));
    await expect(BertResNetModel.fromPretrained(folder)).rejects.toThrow('positive temperature');
    await rm(folder, { recursive: true });
    model.dispose();
  });
});
