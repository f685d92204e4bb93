// What is settled, or refused, before the first step of a run.
import * as tf from '@tensorflow/tfjs-core';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { LabelledExample } from '../../src/datasets/exampleDataset.js';
import type { ModelOptions } from '../../src/modelOptions.js';
import { resolveMode } from '../../src/training/mode.js';
import { createOptimizer, planRun } from '../../src/training/plan.js';
import { resolveOptions } from '../../src/training/options.js';
import { Trainer } from '../../src/training/trainer.js';
import type { FitOptions, TrainerOptions } from '../../src/training/trainer.js';
import { labels, tinyData, tinyModel, tinyRows } from './tiny.js';

const folder = await mkdtemp(join(tmpdir(), 'settled-'));
beforeAll(() => useBackend('cpu'));
afterAll(() => rm(folder, { recursive: true }));

type Input = 'text' | 'image';

const only = (input: Input, count: number): LabelledExample[] =>
  tinyRows(count).map((row) => ({ [input]: row[input], label: row.label }));
const dataOf = (rows: readonly LabelledExample[], name = 'rows') =>
  datasetFrom(rows, { labels, name });

/** Why a run of some rows is refused; undefined where it is not. */
async function refusalOf(
  options: TrainerOptions,
  { of = {}, train = tinyData(6), ...fit }: FitOptions & { of?: ModelOptions; train?: typeof data },
): Promise<string | undefined> {
  const model = await tinyModel(of);
  let steps = 0;
  const onStep = (): void => void (steps += 1);
  const trainer = new Trainer(model, { epochs: 1, batchSize: 6, ...options, onStep });
  try {
    await trainer.fit(train, fit);
    return undefined;
  } catch (error) {
    expect(steps, 'steps before it was refused').toBe(0);
    return (error as Error).message;
  } finally {
    model.dispose();
  }
}
const data = tinyData(6);

describe('the mode of rows', () => {
  const modeOf = (rows: readonly LabelledExample[]) => {
    const readers = { tokenizer: {}, processor: {} };
    return resolveMode('test', readers, dataOf(rows));
  };

  it('is both where one row has both, or one a text and another a picture, wherever they stand', async () => {
    expect(await modeOf([...only('text', 70), ...tinyRows(1)])).toBe('both');
    expect(await modeOf([...only('image', 1100), ...only('text', 1)])).toBe('both');
    expect(await modeOf(only('text', 70))).toBe('text');
    expect(await modeOf(only('image', 70))).toBe('image');
  });

  it.each(['text', 'image'] as const)('%s is refused where no row has one', async (mode) => {
    const without = dataOf(only(mode === 'text' ? 'image' : 'text', 70), 'other.csv');
    const needs = mode === 'text' ? 'a text' : 'a picture';
    const message = `trainer: mode '${mode}' needs rows with ${needs}, got none in other.csv; take another mode, or look at its columns`;
    expect(await refusalOf({ mode }, { train: without })).toBe(message);
    expect(await refusalOf({ mode }, { validation: without })).toBe(message);
  });
});

describe('options that would do nothing', () => {
  it.each([
    [{ modalityDropout: 0.2 }, 'modalityDropout'],
    [{ imageSwap: 0.5 }, 'imageSwap'],
    [{ gradientModulation: {} }, 'gradientModulation'],
  ] as const)('%o is refused where one input alone is trained', async (options, name) => {
    expect(await refusalOf({ ...options, mode: 'text' }, {})).toBe(
      `trainer: ${name} must have rows with a text and a picture, got mode 'text'; leave it out, or train mode 'both'`,
    );
    expect(await refusalOf(options, {})).toBeUndefined();
  });

  it('a dropout of no row is none', async () => {
    expect(await refusalOf({ modalityDropout: 0, mode: 'image' }, {})).toBeUndefined();
  });

  it('gradientModulation is refused where no encoder is trained', async () => {
    const options = { gradientModulation: {}, freeze: { text: true, image: true } };
    expect(await refusalOf(options, {})).toMatch(
      /^trainer: gradientModulation slows down an encoder, but both are frozen/,
    );
    const one = { gradientModulation: {}, freeze: { text: true } };
    expect(await refusalOf(one, {})).toBeUndefined();
  });

  it('qmf is refused without the losses of the single modes that its rank loss belongs to', async () => {
    const off = { auxiliary: { weight: 0 } };
    expect(await refusalOf(off, { of: { fusion: 'qmf' } })).toMatch(
      /^trainer: the fusion 'qmf' needs the losses of text alone and image alone, got auxiliary.weight 0/,
    );
    const plain = { type: 'qmf', regularization: 0 };
    expect(await refusalOf(off, { of: { fusion: plain } })).toBeUndefined();
  });

  it('an AUC that validation rows leave undefined is no figure to choose by', async () => {
    const some = dataOf(
      tinyRows(9).filter(({ label }) => label !== 'mild'),
      'val.csv',
    );
    expect(await refusalOf({ monitor: 'auc' }, { validation: some })).toBe(
      "trainer: monitor 'auc' must have validation rows of every label, got none of 'mild' in val.csv; take another monitor, or other validation rows",
    );
    expect(await refusalOf({ monitor: 'auc' }, { validation: tinyData(9) })).toBeUndefined();
  });
});

it('biases and norms are not decayed, of whatever rank; all else is', async () => {
  const model = await tinyModel({ fusion: 'low-rank' });
  const plan = await planRun(model, resolveOptions({ weightDecay: 0.5 }), data);
  const optimizer = createOptimizer(plan);
  for (const value of plan.parameters.values()) value.assign(tf.onesLike(value));
  const gradients = [...plan.parameters.values()].map(({ name, shape }) => ({
    name,
    tensor: tf.zeros(shape),
  }));
  optimizer.applyGradients(gradients);
  const kept: string[] = [];
  for (const [name, value] of plan.parameters) {
    if ((await value.data())[0] === 1) kept.push(name);
  }
  const names = [...plan.parameters.keys()];
  const spared = names.filter((name) =>
    /bias$|LayerNorm\.weight$|bn\d\.weight$|downsample\.1\.weight$/.test(name),
  );
  expect(kept.toSorted()).toEqual(spared.toSorted());
  expect(kept).toContain('fusion_bias');
  expect(kept.length).toBeLessThan(names.length);
  tf.dispose(gradients.map(({ tensor }) => tensor));
  optimizer.dispose();
  model.dispose();
});

describe('a run that goes on', () => {
  const outputDir = join(folder, 'run');
  /** One step of an epoch's two, and no more. */
  const begin = (of: ModelOptions): Promise<string | undefined> => {
    const controller = new AbortController();
    const stopping = {
      signal: controller.signal,
      onStep: () => controller.abort(new Error('stop')),
    };
    return tinyModel(of).then(async (model) => {
      const options = { epochs: 1, batchSize: 3, outputDir, overwrite: true };
      const ended = new Trainer(model, options).fit(data, stopping);
      return ended.then(String, (error: Error) => error.message).finally(() => model.dispose());
    });
  };

  it('has the encoders and the fusion that it began with', async () => {
    expect(await begin({ fusion: 'sum' })).toBe('stop');
    const resume = { epochs: 1, batchSize: 3, outputDir, resume: true };
    expect(await refusalOf(resume, { of: { fusion: 'product' } })).toMatch(
      /must be given what it began with.*\n {2}fusion: \{.*"type":"sum"\} there, \{.*"type":"product"\} now$/,
    );
    expect(await refusalOf({ ...resume }, { of: { fusion: 'sum' } })).toBeUndefined();
  });

  it('does not begin anew over a model whose checkpoint is gone', async () => {
    await rm(join(outputDir, 'checkpoint'), { recursive: true });
    const there = await readdir(outputDir);
    expect(there).toContain('model');
    expect(await refusalOf({ outputDir, resume: true }, {})).toMatch(
      /^trainer: resume needs .*last\.safetensors, which is missing, and a new run would replace .*run\/model; /,
    );
    expect((await readdir(outputDir)).toSorted()).toEqual(there.toSorted());
  });
});
