import * as tf from '@tensorflow/tfjs-core';
import type { OnnxRuntimeBackend } from '../../src/backends/onnxruntime/backend.js';
import { mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Dataset } from '../../src/datasets/example.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { BertResNetModel } from '../../src/model.js';
import { evaluate } from '../../src/training/evaluate.js';
import type { EvaluationReport } from '../../src/training/evaluate.js';
import { DivergedError } from '../../src/training/diverged.js';
import type { StepRecord } from '../../src/training/records.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends } from '../backends.js';
import { labels, tinyData, tinyModel, tinyRows, weightsOf } from './tiny.js';

const quick: TrainerOptions = { epochs: 2, batchSize: 4, learningRate: 0.01, weightDecay: 0.1 };
/** Everything that draws random numbers or spans batches. */
const busy: TrainerOptions = {
  ...quick,
  gradientAccumulationSteps: 2,
  mixup: 0.4,
  labelSmoothing: 0.1,
  classWeights: 'balanced',
  focalGamma: 1,
  modalityDropout: 0.4,
  gradientModulation: {},
  ema: 0.5,
  soup: 2,
  earlyStopping: { patience: 2 },
  augment: { wordDropout: 0.3, horizontalFlip: 0.5 },
};
const withoutDropout = {
  vocabSize: 20,
  hiddenSize: 8,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 12,
  maxPositionEmbeddings: 16,
  hiddenDropoutProb: 0,
  attentionProbsDropoutProb: 0,
};

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainer-'));
});
afterEach(() => rm(folder, { recursive: true }));

const runFolder = (): string => join(folder, 'run');
const readJson = async (name: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(runFolder(), name), 'utf8')) as Record<string, unknown>;
const readHistory = async (): Promise<Record<string, unknown>[]> =>
  (await readFile(join(runFolder(), 'history.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** The weights and the history of a run. */
async function trained(options: TrainerOptions, rows = 10) {
  const model = await tinyModel();
  const history = await new Trainer(model, options).fit(tinyData(rows), {
    validation: tinyData(6, 2),
  });
  const weights = await weightsOf(model);
  model.dispose();
  return { history, weights };
}

describeBackends('Trainer', (backend) => {
  it('learns to answer in every mode', async () => {
    const model = await tinyModel();
    const steps: StepRecord[] = [];
    const reports: (EvaluationReport | undefined)[] = [];
    const trainer = new Trainer(model, { ...quick, epochs: 16, batchSize: 16, learningRate: 0.03 });
    const history = await trainer.fit(tinyData(48), {
      validation: tinyData(15, 2),
      onStep: (record) => void steps.push(record),
      onEpoch: (_, report) => void reports.push(report),
    });
    expect(reports.map((report) => report?.accuracy)).toEqual(
      history.map(({ validation }) => validation?.accuracy),
    );
    expect(
      reports
        .at(-1)!
        .confusion.flat()
        .reduce((sum, count) => sum + count),
    ).toBe(15);
    expect(history.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    expect(history.at(-1)!.loss).toBeLessThan(history[0]!.loss / 2);
    expect(steps).toHaveLength(48);
    expect(steps[0]!.learningRate).toBe(0);
    const report = await evaluate(model, tinyData(15, 2));
    expect(report.accuracy).toBeGreaterThan(0.9);
    expect(report.modes.text!.accuracy).toBeGreaterThan(0.6);
    expect(report.modes.image!.accuracy).toBeGreaterThan(0.6);
    const best = Math.max(...history.map(({ validation }) => validation!.accuracy!));
    expect(report.accuracy).toBe(best);
    model.dispose();
  });

  it('refuses R-Drop where nothing that is trained drops', async () => {
    const model = await tinyModel();
    const trainer = new Trainer(model, { ...quick, mode: 'image', rDrop: 1 });
    await expect(trainer.fit(tinyData(6))).rejects.toThrow(
      /rDrop compares two answers .* nothing that is trained drops; leave it out/,
    );
    model.dispose();
  });

  it('takes R-Drop for batches without a text, and for epochs in which its encoder is frozen', async () => {
    const rows = tinyRows(6).map((row, i) => (i < 3 ? { ...row, text: undefined } : row));
    const data = datasetFrom(rows, { labels, onBadRow: 'missing' });
    const options = { ...quick, batchSize: 1, groupByLength: false, rDrop: 1 };
    const model = await tinyModel();
    const history = await new Trainer(model, { ...options, freeze: { text: 1 } }).fit(data);
    expect(history).toHaveLength(2);
    model.dispose();
  });

  it('makes equal runs of equal seeds, and others of other seeds', async () => {
    const first = await trained(busy);
    expect(await trained({ ...busy, prefetch: 0 })).toEqual(first);
    expect((await trained({ ...busy, seed: 43 })).history).not.toEqual(first.history);
  });

  it.runIf(backend === 'onnxruntime')('gives every step the same graph', async () => {
    const { stats } = (tf.backend() as OnnxRuntimeBackend).executor;
    const model = await tinyModel();
    const compiled: number[] = [];
    const onStep = (): void => void compiled.push(stats.compilations);
    const options = { mixup: 0.4, ema: 0.9, focalGamma: 2, classWeights: [1, 2, 3], rDrop: 2 };
    const modalities = { modalityDropout: 0.3, gradientModulation: {} };
    const trainer = new Trainer(model, { ...quick, epochs: 3, ...options, ...modalities });
    await trainer.fit(tinyData(12), { onStep });
    expect(compiled).toHaveLength(9);
    // In the first step the average of the weights still shares their values.
    expect(compiled[2]).toBe(compiled[1]);
    // Behind the first epoch there may be the norm of the weights, which is one for all epochs.
    expect(compiled.at(-1)).toBe(compiled[3]);
    model.dispose();
  });

  it('goes on exactly after an abort at any step', async () => {
    const options = { ...busy, outputDir: runFolder() };
    const whole = await trained(options);
    const lines = await readHistory();
    const metrics = await readJson('metrics.json');
    for (const stopAt of [1, 2, 4]) {
      await rm(runFolder(), { recursive: true });
      const model = await tinyModel();
      const controller = new AbortController();
      const onStep = ({ step }: StepRecord): void => {
        if (step === stopAt) controller.abort(new Error('later'));
      };
      const data = [
        tinyData(10),
        { validation: tinyData(6, 2), signal: controller.signal, onStep },
      ] as const;
      await expect(new Trainer(model, options).fit(...data)).rejects.toThrow('later');
      model.dispose();
      await rename(runFolder(), join(folder, 'moved'));
      await rename(join(folder, 'moved'), runFolder());
      expect(await trained({ ...options, resume: true })).toEqual(whole);
      expect(await readHistory()).toEqual(lines);
      expect(await readJson('metrics.json')).toEqual(metrics);
    }
    expect(await trained({ ...options, resume: true })).toEqual(whole);
  });

  it('goes on with the validation where that was interrupted', async () => {
    const options = { ...busy, outputDir: runFolder() };
    const whole = await trained(options);
    await rm(runFolder(), { recursive: true });
    const controller = new AbortController();
    let steps = 0;
    const rows = tinyData(6, 2);
    const examples: Dataset['examples'] = (positions) => {
      if (steps === 2) controller.abort(new Error('later'));
      return rows.examples(positions);
    };
    const model = await tinyModel();
    const fit = new Trainer(model, options).fit(tinyData(10), {
      validation: { ...rows, examples },
      signal: controller.signal,
      onStep: ({ step }) => void (steps = step),
    });
    await expect(fit).rejects.toThrow('later');
    model.dispose();
    expect((await readHistory()).map(({ kind }) => kind)).toEqual(['step', 'step']);
    expect(await trained({ ...options, resume: true })).toEqual(whole);
  });

  it('stops at a loss that is no number, with the last good checkpoint in the model', async () => {
    const model = await tinyModel();
    const options = {
      ...quick,
      learningRate: 1e30,
      warmupSteps: 0,
      maxGradNorm: 0,
      outputDir: runFolder(),
    };
    const error = await new Trainer(model, { ...options, checkpointSteps: 1 })
      .fit(tinyData(16))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DivergedError);
    const { message, divergence } = error as DivergedError;
    expect(message).toMatch(
      /became (NaN|-?Infinity) in step \d+ \(epoch 1, learning rate .*rows tiny row \d+.*\)/,
    );
    expect(message).toContain('lower learningRate');
    expect(divergence).toMatchObject({ what: 'weights', step: 1, checkpointStep: 0 });
    const untrained = await tinyModel();
    expect(await weightsOf(model)).toEqual(await weightsOf(untrained));
    untrained.dispose();
    model.dispose();
  });

  it.each([
    // The update of the only step makes the weights too large to be numbers, or what they compute.
    { learningRate: 1e30, what: 'weights', value: /the weights' norm became (NaN|Infinity)/ },
    { learningRate: 1e15, what: 'logits', value: /a logit of the validation rows became/ },
  ])('stops at $what that are no numbers behind the last step of an epoch', async (one) => {
    const { learningRate, what, value } = one;
    const model = await tinyModel();
    const trainer = new Trainer(model, {
      ...{ ...quick, batchSize: 16, warmupSteps: 0, maxGradNorm: 0, ema: 0.5, learningRate },
    });
    const error = await trainer
      .fit(tinyData(16), { validation: tinyData(6, 2) })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DivergedError);
    const { message, divergence } = error as DivergedError;
    expect(divergence).toMatchObject({ what, step: 1, epoch: 1, learningRate });
    expect(divergence.rows).toHaveLength(16);
    expect(message).toMatch(value);
    expect(message).toMatch(/in step 1 \(epoch 1, learning rate .*, rows tiny row \d+.* 12 more\)/);
    expect(message).toContain('lower learningRate');
    model.dispose();
  });

  it('adds up batches as if they were one, a short last step included', async () => {
    const run = async (batchSize: number, gradientAccumulationSteps: number) => {
      const model = await tinyModel({ text: withoutDropout });
      const options = { ...quick, batchSize, gradientAccumulationSteps, mode: 'text' as const };
      const steps: StepRecord[] = [];
      await new Trainer(model, options).fit(tinyData(11), {
        onStep: (record) => void steps.push(record),
      });
      const weights = await weightsOf(model);
      model.dispose();
      return { weights, steps };
    };
    const [one, several] = [await run(6, 1), await run(2, 3)];
    expect(several.steps).toHaveLength(one.steps.length);
    several.steps.forEach(({ loss, gradNorm }, i) => {
      expect(loss).toBeCloseTo(one.steps[i]!.loss!, 5);
      expect(gradNorm).toBeCloseTo(one.steps[i]!.gradNorm, 4);
    });
    for (const [name, values] of Object.entries(one.weights)) {
      // Adam turns rounding errors of the key's bias, whose true gradient is 0, into whole steps.
      if (name.endsWith('key.bias')) continue;
      values.forEach((value, i) => expect(several.weights[name]![i], name).toBeCloseTo(value, 3));
    }
  });

  it('trains the main head as if it were alone unless the auxiliary losses reach the encoders', async () => {
    const options = { ...quick, maxGradNorm: 0 };
    const alone = await trained({ ...options, auxiliary: { weight: 0 } });
    const aside = await trained({ ...options, auxiliary: { reachEncoders: false } });
    const through = await trained(options);
    const name = 'text_encoder.encoder.layer.0.attention.self.query.weight';
    expect(aside.weights[name]).toEqual(alone.weights[name]);
    expect(aside.weights['mlp_both.fc1.weight']).toEqual(alone.weights['mlp_both.fc1.weight']);
    expect(aside.weights['mlp_text.weight']).not.toEqual(alone.weights['mlp_text.weight']);
    expect(through.weights[name]).not.toEqual(alone.weights[name]);
  });

  it('leaves a frozen encoder as it was, statistics included, and rates of 0 their parameters', async () => {
    const model = await tinyModel();
    const before = await weightsOf(model);
    await new Trainer(model, { ...quick, freeze: { image: true }, textLearningRate: 0 }).fit(
      tinyData(8),
    );
    const after = await weightsOf(model);
    for (const name of Object.keys(before)) {
      const encoder = name.startsWith('visual_encoder.') || name.startsWith('text_encoder.');
      if (encoder) expect(after[name], name).toEqual(before[name]);
    }
    expect(after['mlp_image.weight']).not.toEqual(before['mlp_image.weight']);
    expect(model.visualEncoder.frozen).toBe(true);
    model.dispose();
  });

  it('trains rows that lack an input on the head of what they have', async () => {
    const rows = tinyRows(12).map(({ text, image, label }, i) =>
      i % 3 === 0 ? { text, label } : i % 3 === 1 ? { image, label } : { text, image, label },
    );
    const model = await tinyModel();
    const before = await weightsOf(model);
    const options = { ...quick, batchSize: 6, auxiliary: { weight: 0 }, mixup: 0.3 };
    const history = await new Trainer(model, options).fit(datasetFrom(rows, { labels }));
    expect(Number.isFinite(history.at(-1)!.loss)).toBe(true);
    const after = await weightsOf(model);
    for (const name of ['mlp_text.weight', 'mlp_image.weight', 'mlp_both.fc1.weight']) {
      expect(after[name], name).not.toEqual(before[name]);
    }
    model.dispose();
  });

  it('goes on where a batch has one picture whose map is down to one place', async () => {
    // The last of three batches, and each where one row of four has its picture.
    const few = tinyRows(12).map(({ text, image, label }, i) =>
      i % 4 === 0 ? { text, image, label } : { text, label },
    );
    for (const rows of [tinyRows(9), few]) {
      const model = await tinyModel();
      const before = await weightsOf(model);
      const options = { ...quick, batchSize: 4, groupByLength: false };
      const history = await new Trainer(model, options).fit(datasetFrom(rows, { labels }));
      expect(history.every(({ loss }) => Number.isFinite(loss))).toBe(true);
      const after = await weightsOf(model);
      expect(after['visual_encoder.conv1.weight']).not.toEqual(
        before['visual_encoder.conv1.weight'],
      );
      for (const [name, values] of Object.entries(after))
        expect(values.every(Number.isFinite), name).toBe(true);
      model.dispose();
    }
  });

  it('leaves a run folder that another program can go on from', async () => {
    const model = await tinyModel();
    const options = { ...quick, outputDir: runFolder(), record: { command: ['train', 'x.csv'] } };
    const history = await new Trainer(model, options).fit(tinyData(8), {
      validation: tinyData(6, 2, 'val'),
    });
    expect((await readdir(runFolder())).toSorted()).toEqual([
      'checkpoint',
      'config.json',
      'history.jsonl',
      'metrics.json',
      'model',
    ]);
    const config = await readJson('config.json');
    expect(config).toMatchObject({
      mode: 'both',
      command: ['train', 'x.csv'],
      backend: tf.getBackend(),
    });
    expect(config['training']).toMatchObject({ batchSize: 4, schedule: 'cosine', seed: 42 });
    expect(config['train']).toMatchObject({ name: 'tiny', size: 8, labels });
    const lines = await readHistory();
    expect(lines.map(({ kind }) => kind)).toEqual([
      'step',
      'step',
      'epoch',
      'step',
      'step',
      'epoch',
    ]);
    expect(lines.filter(({ kind }) => kind === 'epoch')).toEqual(history);
    const metrics = await readJson('metrics.json');
    const saved = await BertResNetModel.fromPretrained(join(runFolder(), 'model'));
    const report = await evaluate(saved, tinyData(6, 2));
    expect(metrics).toMatchObject({
      ...report,
      data: 'val',
      epoch: history.find(({ best }) => best)!.epoch,
    });
    expect(await weightsOf(saved)).toEqual(await weightsOf(model));
    saved.dispose();
    model.dispose();
  });
});
