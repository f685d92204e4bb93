import * as tf from '@tensorflow/tfjs-core';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BertResNetModel } from '../../src/model.js';
import { evaluate } from '../../src/training/evaluate.js';
import { greedySoup } from '../../src/training/soup.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends, expectClose } from '../backends.js';
import { tinyData, tinyModel, weightsOf } from './tiny.js';

const quick: TrainerOptions = { epochs: 3, batchSize: 4, learningRate: 0.01, warmupSteps: 0 };
const query = 'text_encoder.encoder.layer.0.attention.self.query.weight';
const mean = 'visual_encoder.layer1.0.bn1.running_mean';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'regimes-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The weights after each epoch of a run. */
async function epochsOf(options: TrainerOptions): Promise<Record<string, number[]>[]> {
  const model = await tinyModel();
  const found = [await weightsOf(model)];
  const onEpoch = async () => void found.push(await weightsOf(model));
  await new Trainer(model, { ...quick, ...options }).fit(tinyData(8), { onEpoch });
  model.dispose();
  return found;
}

describeBackends('a run', () => {
  it('keeps the average of the weights', async () => {
    const model = await tinyModel();
    const steps: Record<string, number[]>[] = [await weightsOf(model)];
    const onStep = async () => void steps.push(await weightsOf(model));
    await new Trainer(model, { ...quick, ema: 0.4 }).fit(tinyData(8), { onStep });
    const kept = await weightsOf(model);
    model.dispose();
    for (const name of [query, mean, 'mlp_both.fc1.weight']) {
      let average = steps[0]![name]!;
      steps.slice(1).forEach((weights, step) => {
        const share = 1 - Math.min(0.4, (1 + step) / (10 + step));
        average = average.map((value, i) => value + (weights[name]![i]! - value) * share);
      });
      expectClose(kept[name]!, average, { relative: 1e-5 });
      expect(kept[name]).not.toEqual(steps.at(-1)![name]);
    }
  });

  it('leaves an encoder alone for some epochs, statistics included', async () => {
    const weights = await epochsOf({ freeze: { image: 2 } });
    expect(weights[2]![mean]).toEqual(weights[0]![mean]);
    expect(weights[3]![mean]).not.toEqual(weights[0]![mean]);
    expect(weights[1]![query]).not.toEqual(weights[0]![query]);
  });

  it('leaves parameters alone by name', async () => {
    const [before, after] = await epochsOf({ epochs: 1, freeze: { parameters: ['*.layer1.*'] } });
    for (const name of Object.keys(before!)) {
      const frozen = name.includes('.layer1.');
      if (frozen) expect(after![name], name).toEqual(before![name]);
    }
    expect(after!['visual_encoder.layer2.0.conv1.weight']).not.toEqual(
      before!['visual_encoder.layer2.0.conv1.weight'],
    );
  });

  it('weighs classes: one that counts little is hardly learned', async () => {
    const recalls = async (classWeights: number[]): Promise<number> => {
      const model = await tinyModel();
      const options = { ...quick, epochs: 8, learningRate: 0.02, classWeights };
      await new Trainer(model, options).fit(tinyData(24));
      const { perClass } = await evaluate(model, tinyData(30, 3));
      model.dispose();
      return Object.values(perClass)[0]!.recall!;
    };
    expect(await recalls([1e-4, 1, 1])).toBeLessThan(0.1);
    expect(await recalls([1, 1, 1])).toBeGreaterThan(0.5);
  });

  it('ends early, with the best epoch in the model', async () => {
    const model = await tinyModel();
    const options = { ...quick, epochs: 30, learningRate: 0, earlyStopping: { patience: 2 } };
    const outputDir = join(folder, `early-${tf.getBackend()}`);
    const validation = tinyData(6, 2);
    const fit = (resume: boolean) =>
      new Trainer(model, { ...options, outputDir, resume }).fit(tinyData(8), { validation });
    const history = await fit(false);
    expect(history.map(({ best }) => best)).toEqual([true, false, false]);
    expect(await fit(true)).toEqual(history);
    model.dispose();
  });

  it('cooks a soup that is no worse than its best epoch, and keeps it', async () => {
    const model = await tinyModel();
    const outputDir = join(folder, `soup-${tf.getBackend()}`);
    // So slow that the figures of the epochs are equal.
    const options = { ...quick, epochs: 4, learningRate: 1e-4, soup: 3 };
    const validation = tinyData(12, 2);
    const history = await new Trainer(model, { ...options, outputDir }).fit(tinyData(24), {
      validation,
    });
    const metrics = JSON.parse(await readFile(join(outputDir, 'metrics.json'), 'utf8'));
    const best = Math.max(...history.map((epoch) => epoch.validation!.accuracy!));
    expect(metrics.soup).toEqual([1, 2, 3]);
    expect(metrics.accuracy).toBeGreaterThanOrEqual(best);
    const report = await evaluate(model, validation);
    expect(report.loss).toBe(metrics.loss);
    expect(await readdir(join(outputDir, 'soup'))).toHaveLength(3);
    const files = history.map(({ epoch }) => join(outputDir, `soup/epoch-${epoch}.safetensors`));
    const held = files.filter((_, i) => metrics.soup.includes(i + 1));
    const weights = await weightsOf(model);
    const again = await greedySoup(model, held, validation);
    expect(again.ingredients).toEqual(held);
    for (const [name, values] of Object.entries(await weightsOf(model))) {
      expectClose(values, weights[name]!, { relative: 1e-5 });
    }
    model.dispose();
  });
});

describe('a run without validation rows', () => {
  it('can neither end early nor cook', async () => {
    const model: BertResNetModel = await tinyModel();
    const trainer = new Trainer(model, { ...quick, soup: 2, earlyStopping: { patience: 1 } });
    await expect(trainer.fit(tinyData(4))).rejects.toThrow(
      'earlyStopping and soup must have validation rows to go by, got none',
    );
    const frozen = { text: true, image: true, parameters: ['mlp_*'] };
    await expect(new Trainer(model, { ...quick, freeze: frozen }).fit(tinyData(4))).rejects.toThrow(
      'some parameters must be trained, but all are frozen',
    );
    model.dispose();
  });
});
