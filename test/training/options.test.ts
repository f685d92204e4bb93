import * as tf from '@tensorflow/tfjs-core';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import type { Dataset } from '../../src/datasets/example.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { InputError } from '../../src/errors.js';
import type { BertResNetModel } from '../../src/model.js';
import { modelIdentity, optionsIdentity, requireSameRun } from '../../src/training/identity.js';
import { BarProgress } from '../../src/training/progressBar.node.js';
import {
  LineProgress,
  epochLine,
  formatSeconds,
  secondsLeft,
} from '../../src/training/progress.js';
import { notebookRecipe } from '../../src/training/recipe.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { labels, tinyData, tinyModel, tinyRows } from './tiny.js';

let model: BertResNetModel;
let folder = '';
beforeAll(async () => {
  await useBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'trainer-'));
  model = await tinyModel();
});
afterAll(async () => {
  model.dispose();
  await rm(folder, { recursive: true });
});

const refused = (options: object): string => {
  try {
    return `accepted: ${JSON.stringify(new Trainer(model, options as TrainerOptions).options)}`;
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a run of an earlier version', () => {
  const identity = (options: TrainerOptions = {}) =>
    optionsIdentity(new Trainer(model, { learningRate: 0.01, ...options }).options, 10);

  it('goes on where options that it did not know are off', () => {
    const { ema: _, soup: __, lora: ___, layerDecay: ____, ...older } = identity();
    const saved = JSON.parse(JSON.stringify(older)) as typeof older;
    expect(() => requireSameRun(saved, identity(), 'there')).not.toThrow();
    expect(() => requireSameRun(saved, identity({ ema: 0.9 }), 'there')).toThrow(
      'ema: 0 there, 0.9 now',
    );
    expect(() => requireSameRun(saved, identity({ lora: {} }), 'there')).toThrow(
      'lora: not given there',
    );
  });

  it('goes on with a ResNet that did not say how it pools', async () => {
    const pooled = await tinyModel({
      image: {
        ...{ embeddingSize: 4, hiddenSizes: [4, 6], depths: [1, 1], layerType: 'basic' },
        pooling: 'max',
      },
    });
    const { image } = model.config as unknown as { image: { pooling?: string } };
    const { pooling, ...older } = image;
    expect(pooling).toBe('mean');
    const saved = { ...modelIdentity(model), image: older };
    expect(() => requireSameRun(saved, modelIdentity(model), 'there')).not.toThrow();
    expect(() => requireSameRun(saved, modelIdentity(pooled), 'there')).toThrow('image: ');
    pooled.dispose();
  });

  it('that only shuffled its rows goes on so', () => {
    const { groupByLength: _, ...saved } = identity();
    expect(() => requireSameRun(saved, identity(), 'there')).toThrow('groupByLength: false there');
    const asked = identity({ groupByLength: false });
    expect(() => requireSameRun(saved, asked, 'there')).not.toThrow();
  });
});

describe('options', () => {
  it('have defaults', () => {
    expect(new Trainer(model, { textLearningRate: 1e-4 }).options).toMatchObject({
      epochs: 5,
      batchSize: 16,
      learningRate: 2e-5,
      schedule: 'cosine',
      warmupRatio: 0.1,
      monitor: 'accuracy',
      auxiliary: { weight: 1, reachEncoders: true },
    });
  });

  it('are refused by name, with what would do', () => {
    expect(refused({ epochs: 0 })).toBe('trainer: epochs must be at least 1, got 0');
    expect(refused({ batchSize: 1.5 })).toBe('trainer: batchSize must be an integer, got 1.5');
    expect(refused({ learningRate: NaN })).toContain('learningRate must be');
    expect(refused({ learningRate: '1e-3' })).toBe(
      'trainer: learningRate must be a number, got "1e-3"',
    );
    expect(refused({ schedule: 'step' })).toBe(
      'trainer: schedule must be one of "constant", "linear", "cosine", got "step"',
    );
    expect(refused({ warmupRatio: 2 })).toBe('trainer: warmupRatio must be at most 1, got 2');
    expect(refused({ auxiliary: { weigth: 1 } })).toBe(
      "trainer: unknown option 'auxiliary.weigth'; known: weight, reachEncoders",
    );
    expect(refused({ learningrate: 1 })).toMatch(
      /^trainer: unknown option 'learningrate'; known: epochs, batchSize/,
    );
    expect(refused({ epochs: 0, seed: -1 })).toContain(
      'epochs must be at least 1, got 0; seed must be at least 0',
    );
    expect(refused({ resume: true })).toContain('resume goes on with the run of a folder');
    expect(refused({ resume: true, overwrite: true, outputDir: 'x' })).toContain(
      'contradict each other',
    );
    expect(refused({ freeze: { text: 'yes' } })).toBe(
      'trainer: freeze.text must be true, false, or a number of epochs, got "yes"',
    );
    const rates =
      'modalityDropout must be a probability, or { text, image } whose sum is at most 1';
    expect(refused({ modalityDropout: 2 })).toBe(`trainer: ${rates}, got 2`);
    expect(refused({ modalityDropout: { text: 0.7, image: 0.7 } })).toBe(
      `trainer: ${rates}, got {"text":0.7,"image":0.7}`,
    );
    expect(refused({ freeze: true })).toBe(
      'trainer: freeze must be an object such as { text, image, parameters }, got true',
    );
    expect(refused({ freeze: { parameters: 'pooler' } })).toBe(
      'trainer: freeze.parameters must be an array, got "pooler"',
    );
    expect(refused({ classWeights: [1, 0] })).toContain('classWeights must be');
    expect(refused({ layerDecay: 0 })).toBe('trainer: layerDecay must be above 0, got 0');
    expect(refused({ earlyStopping: { patience: 0 } })).toContain('at least 1, got 0');
    expect(refused({ ema: 1 })).toBe('trainer: ema must be below 1, got 1');
    expect(refused({ augment: { rotation: 400 } })).toContain(
      'rotation must be a number from 0 to 180',
    );
  });

  it("of the notebook's recipe are accepted", () => {
    const { training } = notebookRecipe();
    expect(new Trainer(model, training).options).toMatchObject({
      batchSize: 4,
      learningRate: 1e-5,
      warmupSteps: 0,
    });
  });
});

describe('fit', () => {
  const options = { epochs: 1, batchSize: 4, learningRate: 0.01 };

  it('refuses what is no data set', async () => {
    const trainer = new Trainer(model, options);
    for (const given of ['train.csv', tinyRows(4), { validation: tinyData(4) }, null]) {
      const fit = trainer.fit(given as unknown as Dataset);
      await expect(fit).rejects.toThrow(/^trainer: the rows must be a Dataset.*CsvDataset\.open/);
    }
    const validation = 'val.csv' as unknown as Dataset;
    await expect(trainer.fit(tinyData(4), { validation })).rejects.toThrow(
      new InputError(
        'trainer: the validation rows must be a Dataset, got "val.csv"; open a file with CsvDataset.open, ' +
          'or pass datasetFrom(rows)',
      ),
    );
  });

  it('refuses data that do not fit before it begins', async () => {
    const outputDir = join(folder, 'never');
    const trainer = new Trainer(model, { ...options, outputDir });
    const foreign = datasetFrom([{ text: 'a', label: 'hot' }], { name: 'x.csv' });
    await expect(trainer.fit(foreign)).rejects.toThrow("labels of x.csv must be among the model's");
    await expect(trainer.fit(tinyData(4), { validation: foreign })).rejects.toThrow("got 'hot'");
    const unlabelled = datasetFrom([...tinyRows(2), { text: 'a' }], { labels, name: 'x.csv' });
    await expect(trainer.fit(unlabelled)).rejects.toThrow('got none in x.csv row 3');
    const { size, name, examples, describe: place } = unlabelled;
    const unseen = { size, name, labels, examples, describe: place };
    await expect(new Trainer(model, options).fit(unseen)).rejects.toThrow(
      'got none in x.csv row 3',
    );
    await expect(
      trainer.fit(tinyData(4), { signal: AbortSignal.abort(new Error('no')) }),
    ).rejects.toThrow('no');
    await expect(readFile(join(outputDir, 'config.json'))).rejects.toThrow('ENOENT');
  });

  it('refuses a folder that holds a run, unless it is to be replaced', async () => {
    const outputDir = join(folder, 'held');
    await new Trainer(model, { ...options, outputDir }).fit(tinyData(4));
    const again = new Trainer(model, { ...options, outputDir });
    await expect(again.fit(tinyData(4))).rejects.toThrow(
      /outputDir must not hold a run yet, but .*held has model/,
    );
    const history = await new Trainer(model, { ...options, outputDir, overwrite: true }).fit(
      tinyData(4),
    );
    expect(history).toHaveLength(1);
  });

  it('refuses to resume what is another run, and says in what', async () => {
    const outputDir = join(folder, 'other');
    await new Trainer(model, { ...options, outputDir }).fit(tinyData(8));
    const resumed = new Trainer(model, {
      ...options,
      outputDir,
      resume: true,
      learningRate: 0.02,
      batchSize: 2,
    });
    const error = (await resumed.fit(tinyData(9)).catch((reason: unknown) => reason)) as Error;
    expect(error.name).toBe('InputError');
    expect(error.message).toContain('\n  batchSize: 4 there, 2 now');
    expect(error.message).toContain('\n  learningRate: 0.01 there, 0.02 now');
    expect(error.message).toMatch(
      /\n {2}train: "8 rows, [0-9a-f]{8}" there, "9 rows, [0-9a-f]{8}" now/,
    );
    expect(error.message).not.toContain('seed');
  });

  it('refuses a checkpoint that is none', async () => {
    const outputDir = join(folder, 'damaged');
    await new Trainer(model, { ...options, outputDir }).fit(tinyData(4));
    const path = join(outputDir, 'checkpoint/last.safetensors');
    const resumed = new Trainer(model, { ...options, outputDir, resume: true });
    await writeFile(path, (await readFile(path)).subarray(0, 1000));
    await expect(resumed.fit(tinyData(4))).rejects.toThrow('last.safetensors');
    const tensor = tf.scalar(1);
    await writeSafetensors(path, { tensor });
    tensor.dispose();
    await expect(resumed.fit(tinyData(4))).rejects.toThrow('holds weights but no run');
  });

  it('more epochs may be asked for where the schedule does not depend on them', async () => {
    const outputDir = join(folder, 'longer');
    const constant = { ...options, outputDir, schedule: 'constant', warmupSteps: 1 } as const;
    const first = await new Trainer(model, constant).fit(tinyData(8));
    const longer = await new Trainer(model, { ...constant, epochs: 2, resume: true }).fit(
      tinyData(8),
    );
    expect(longer).toHaveLength(2);
    expect(longer[0]).toEqual(first[0]);
    const { epochs: _, ...plain } = constant;
    const again = new Trainer(model, { ...plain, resume: true });
    expect(await again.fit(tinyData(8))).toEqual(longer);
    expect(again.options.epochs).toBe(2);
    const shorter = new Trainer(model, { ...constant, epochs: 1, resume: true });
    await expect(shorter.fit(tinyData(8))).rejects.toThrow('2 epochs are done');
    const cosine = new Trainer(model, {
      ...{ ...options, outputDir, epochs: 3, resume: true },
      schedule: 'cosine',
    });
    const same = new Trainer(model, { ...options, outputDir, epochs: 3, resume: true });
    await expect(cosine.fit(tinyData(8))).rejects.toThrow(
      'schedule: "constant" there, "cosine" now',
    );
    // What is not given is as it began.
    expect(await same.fit(tinyData(8))).toHaveLength(3);
    expect(same.options.schedule).toBe('constant');
  });

  it('says once that validation rows are trained on, and that there is nothing to resume', async () => {
    const said: string[] = [];
    const rows = tinyRows(6).map(({ text, label }) => ({ text, label }));
    const data = datasetFrom(rows, { labels, name: 'train' });
    const validation = datasetFrom(rows.slice(0, 2), { labels, name: 'val' });
    const outputDir = join(folder, 'new');
    const onWarning = (text: string): void => void said.push(text);
    await new Trainer(model, { ...options, outputDir, resume: true, onWarning }).fit(data, {
      validation,
    });
    expect(said).toHaveLength(2);
    expect(said[0]).toContain('2 of the 2 rows of val are also in train');
    expect(said[1]).toContain('holds no run to resume');
  });

  it('an error of a listener stops the run and is passed on', async () => {
    const onStep = (): never => {
      throw new Error('listener');
    };
    await expect(new Trainer(model, { ...options, onStep }).fit(tinyData(8))).rejects.toThrow(
      'listener',
    );
  });
});

describe('progress', () => {
  it('is lines with loss, rate and time left', async () => {
    const lines: string[] = [];
    let clock = 0;
    const progress = new LineProgress({
      write: (line) => lines.push(line),
      everySeconds: 20,
      now: () => (clock += 10_000),
    });
    await new Trainer(model, { epochs: 1, batchSize: 2, learningRate: 0.01, progress }).fit(
      tinyData(8),
    );
    expect(lines[0]).toBe('training: 1 epoch, 4 steps');
    expect(lines[1]).toMatch(
      /^epoch 1, step 2 of 4: loss \d\.\d{4}, rate \d\.\d{2}e-\d, 20s left$/,
    );
    expect(lines.at(-1)).toMatch(/^epoch 1: loss \d\.\d{4} \(\d+s\)$/);
  });

  it('tells of features now and then, before the run starts', async () => {
    const lines: string[] = [];
    let clock = 0;
    const progress = new LineProgress({
      write: (line) => lines.push(line),
      now: () => (clock += 20_000),
    });
    const cached = { cacheFeatures: join(folder, 'features'), freeze: { text: true, image: true } };
    const run = new Trainer(await tinyModel(), {
      ...{ epochs: 1, batchSize: 4, evalBatchSize: 4, progress },
      ...cached,
    });
    await run.fit(tinyData(12));
    run.model.dispose();
    expect(lines[0]).toMatch(/^features: \d+ of 12 rows$/);
    expect(lines.findIndex((line) => line.startsWith('training: '))).toBeGreaterThan(0);
  });

  it('is a bar on a terminal, with a line for each epoch', async () => {
    let text = '';
    const write = (chunk: string | Uint8Array): boolean => {
      text += String(chunk);
      return true;
    };
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 120, write });
    const progress = new BarProgress(stream as unknown as NodeJS.WriteStream);
    await new Trainer(model, { epochs: 2, batchSize: 4, learningRate: 0.01, progress }).fit(
      tinyData(8),
    );
    expect(text).toMatch(
      /epoch 2\/2 \| step 4 of 4 \| loss \d\.\d{4} \| rate \d\.\d{2}e-\d \| 0s left/,
    );
    expect(text.match(/epoch \d: loss \d\.\d{4}\n/g)).toHaveLength(2);
  });

  it('formats durations and epochs', () => {
    expect([0, 59.4, 61, 3600, 7320].map(formatSeconds)).toEqual([
      '0s',
      '59s',
      '1m 1s',
      '1h 0m',
      '2h 2m',
    ]);
    expect(secondsLeft(0, 10, 5)).toBeUndefined();
    expect(secondsLeft(2, 10, 5)).toBe(20);
    const figures = { accuracy: 0.75, macroF1: 0, weightedF1: 0, auc: null, loss: 0.5, ece: 0 };
    const validation = {
      ...figures,
      modes: { both: figures, text: { ...figures, accuracy: 0.5 } },
    };
    const record = {
      kind: 'epoch',
      epoch: 2,
      step: 8,
      loss: 1,
      learningRate: 0,
      validation,
      best: true,
    } as const;
    expect(epochLine(record)).toBe(
      'epoch 2: loss 1.0000, validation loss 0.5000, accuracy 0.7500 (text 0.5000), best',
    );
  });
});
