import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, expect, test } from 'vitest';
import type { HostTensor } from '../../src/nn/stateDict.js';
import { readCheckpoint, writeCheckpoint } from '../../src/training/checkpoint.js';
import type { RunState } from '../../src/training/checkpoint.js';
import type { AdamW } from '../../src/training/optimizer.js';
import type { BertResNetModel } from '../../src/model.js';
import { normalizeNames } from '../../src/weights/names.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { Oracle, forwardTolerance, gradientTolerance } from '../oracle.js';
import { recordedModel, recordedOptimizer, recordedStep } from './fiveSteps.js';

const oracle = new Oracle('training');
/** The steps behind which PyTorch's state was recorded, and all of them. */
const [half, steps] = [2, 5];
const moments = ['exp_avg', 'exp_avg_sq'] as const;
const state: RunState = {
  position: { epoch: 0, batch: half, step: half },
  epochLoss: { sum: 0, rows: 0 },
  history: [],
  historyLines: 0,
};

const folder = await mkdtemp(join(tmpdir(), 'pytorch-'));
afterAll(() => rm(folder, { recursive: true }));

/** What PyTorch's state holds under a prefix, by our names, which are torchvision's and Hugging Face's. */
const recorded = (prefix: string): Record<string, HostTensor> =>
  normalizeNames(oracle.under(prefix), 'model');

function save(path: string, model: BertResNetModel, optimizer: AdamW): Promise<void> {
  const parameters = model.namedParameters();
  return writeCheckpoint(path, { model, parameters }, optimizer, {}, state);
}

describeBackends('a run that moves between here and PyTorch', (backend) => {
  test('a checkpoint made here holds PyTorch’s state: weights, statistics and AdamW’s moments', async () => {
    const path = join(folder, `${backend}.safetensors`);
    const [model, optimizer] = [recordedModel(oracle), recordedOptimizer()];
    for (let step = 0; step < half; step++) await recordedStep(model, optimizer, oracle, step);
    await save(path, model, optimizer);
    model.dispose();
    optimizer.dispose();

    const file = await readSafetensors(path);
    const expected: [string, HostTensor][] = Object.entries(recorded('half.')).map(
      ([name, value]) => [`model.${name}`, value],
    );
    for (const key of moments)
      for (const [name, value] of Object.entries(recorded(`${key}.`)))
        expected.push([`optimizer.${name}.${key}`, value]);
    expect(Object.keys(file).sort()).toEqual(expected.map(([name]) => name).sort());
    for (const [name, { values, shape }] of expected) {
      expect(file[name]!.shape).toEqual(shape);
      expectClose(await take(file[name]!), values, gradientTolerance);
    }
    expect((await readCheckpoint(path)).state.position.step).toBe(half);
  });

  test('a state of PyTorch’s goes on here: the losses and the end are those of staying', async () => {
    const path = join(folder, `${backend}-pytorchs.safetensors`);
    const before = [recordedModel(oracle, 'half.'), recordedOptimizer()] as const;
    setMoments(...before);
    await save(path, ...before);
    before.forEach((one) => one.dispose());

    const [model, optimizer] = [recordedModel(oracle), recordedOptimizer()];
    const checkpoint = await readCheckpoint(path);
    model.loadStateDict(checkpoint.weights);
    checkpoint.restoreOptimizer(optimizer, model.namedParameters());
    const losses: number[] = [];
    for (let step = half; step < steps; step++)
      losses.push(await recordedStep(model, optimizer, oracle, step));
    expectClose(losses, oracle.host('losses').values.slice(half), forwardTolerance);
    const end = model.stateDict();
    for (const [name, { values }] of Object.entries(recorded('end.')))
      expectClose(await take(end[name]!), values, gradientTolerance);
    model.dispose();
    optimizer.dispose();
  });
});

/** Gives an optimizer the moments that PyTorch's had. */
function setMoments(model: BertResNetModel, optimizer: AdamW): void {
  const [averages, squares] = moments.map((key) => recorded(`${key}.`));
  tf.tidy(() => {
    const tensor = ({ values, shape }: HostTensor): tf.Tensor => tf.tensor(values, [...shape]);
    const slots = [...model.namedParameters()].map(
      ([name, variable]) =>
        [
          variable.name,
          { step: half, expAvg: tensor(averages![name]!), expAvgSq: tensor(squares![name]!) },
        ] as const,
    );
    optimizer.setState(new Map(slots), half);
  });
}
