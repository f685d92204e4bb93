import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { BertResNetModel } from '../../src/model.js';
import { OnnxModel } from '../../src/onnx/onnxModel.js';
import { evaluate } from '../../src/training/evaluate.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainingOptions } from '../../src/training/options.js';
import { tinyData, tinyModel, tinyRows } from './tiny.js';

const folder = await mkdtemp(join(tmpdir(), 'trained-mode-'));
beforeAll(() => useBackend('cpu'));
afterAll(() => rm(folder, { recursive: true }));

/** A model that was trained for a moment, as its run folder has it. */
async function trained(name: string, options: TrainingOptions): Promise<BertResNetModel> {
  const model = await tinyModel();
  const outputDir = join(folder, name);
  await new Trainer(model, { epochs: 1, batchSize: 6, ...options, outputDir }).fit(tinyData(6));
  model.dispose();
  return BertResNetModel.fromPretrained(join(outputDir, 'model'));
}

it.each(['text', 'image'] as const)(
  'what learned from one input, %s, answers by it',
  async (mode) => {
    const model = await trained(mode, { mode, maxLength: 3 });
    expect([model.trainedMode, model.maxLength]).toEqual([mode, 3]);
    const row = tinyRows(1);
    const answer = await model.predict(row);
    expect(answer).toEqual(await model.predict(row, { mode, maxLength: 3 }));
    expect(answer).not.toEqual(await model.predict(row, { mode: 'both' }));
    if (mode === 'text')
      expect(answer).not.toEqual(await model.predict(row, { mode, maxLength: 16 }));
    const data = tinyData(9);
    const report = await evaluate(model, data);
    expect(Object.keys(report.modes)).toEqual([mode]);
    expect(report).toEqual(await evaluate(model, data, { mode }));
    expect(Object.keys((await evaluate(model, data, { mode: 'all' })).modes)).toContain('both');
    const other = mode === 'text' ? 'image' : 'text';
    await expect(model.predict([{ [other]: row[0]![other] }])).rejects.toThrow(
      `predict: row 0: BertResNetModel: mode '${mode}' needs ${mode}, got no ${mode}`,
    );
    const exported = await OnnxModel.fromPretrained(await model.toOnnx());
    expect(exported.mode).toBe(mode);
    model.dispose();
  },
);

it('what learned from both answers by what a row has, also where it learned from one before', async () => {
  const model = await trained('both', {});
  expect(model.trainedMode).toBeUndefined();
  const [row] = tinyRows(1);
  const [answer] = await model.predict([row!]);
  expect(answer).toEqual((await model.predict([row!], { mode: 'both' }))[0]);
  await new Trainer(model, { epochs: 1, mode: 'text' }).fit(tinyData(6));
  expect(model.trainedMode).toBe('text');
  await new Trainer(model, { epochs: 1 }).fit(tinyData(6));
  expect(model.trainedMode).toBeUndefined();
  model.dispose();
});
