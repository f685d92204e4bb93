import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadLora } from '../../src/loraFiles.js';
import { BertResNetModel } from '../../src/model.js';
import { addLora, mergeLora } from '../../src/nn/lora.js';
import { OnnxModel } from '../../src/onnx/onnxModel.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends, expectClose } from '../backends.js';
import { tinyData, tinyModel, tinyRows, weightsOf } from './tiny.js';

const options: TrainerOptions = {
  ...{ epochs: 3, batchSize: 4, learningRate: 0.02, warmupSteps: 0 },
  lora: { r: 2, alpha: 8, dropout: 0.1 },
};
const layer = 'text_encoder.encoder.layer.0.attention.self';
const validation = tinyData(6, 2);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lora-run-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function trained(more: TrainerOptions = {}) {
  const model = await tinyModel();
  const history = await new Trainer(model, { ...options, ...more }).fit(tinyData(10), {
    validation,
  });
  return { model, history, weights: await weightsOf(model) };
}

describeBackends('a run with adapters', (backend) => {
  const place = (name: string): string => join(folder, `${backend}-${name}`);

  it('trains them alone of the text encoder, and leaves a model without them', async () => {
    const model = await tinyModel();
    const [before, trainable] = [await weightsOf(model), [...model.trainableParameters().keys()]];
    await new Trainer(model, options).fit(tinyData(10), { validation });
    const after = await weightsOf(model);
    expect(Object.keys(after)).toEqual(Object.keys(before));
    for (const name of Object.keys(before).filter((one) => one.startsWith('text_encoder.'))) {
      const adapted = [`${layer}.query.weight`, `${layer}.value.weight`].includes(name);
      if (adapted) expect(after[name], name).not.toEqual(before[name]);
      else expect(after[name], name).toEqual(before[name]);
    }
    expect(after['mlp_both.fc1.weight']).not.toEqual(before['mlp_both.fc1.weight']);
    // What changed is of rank 2: every minor of three rows and columns is zero.
    const change = after[`${layer}.query.weight`]!.map(
      (value, i) => value - before[`${layer}.query.weight`]![i]!,
    );
    const at = (row: number, column: number): number => change[row * 8 + column]!;
    const minor =
      at(0, 0) * (at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)) -
      at(0, 1) * (at(1, 0) * at(2, 2) - at(1, 2) * at(2, 0)) +
      at(0, 2) * (at(1, 0) * at(2, 1) - at(1, 1) * at(2, 0));
    const size = Math.max(...change.map(Math.abs));
    expect(size).toBeGreaterThan(0.005);
    expect(Math.abs(minor)).toBeLessThan(1e-4 * size ** 3);
    expect([...model.trainableParameters().keys()]).toEqual(trainable);
    model.dispose();
  });

  it('saves, exports and validates what it merges, and keeps the adapters that peft reads', async () => {
    const outputDir = place('kept');
    const { model, history } = await trained({
      outputDir,
      ema: 0.3,
      lora: { ...options.lora, keepAdapter: true },
    });
    const saved = await BertResNetModel.fromPretrained(join(outputDir, 'model'));
    expect(await weightsOf(saved)).toEqual(await weightsOf(model));
    expect((await readdir(join(outputDir, 'adapter'))).toSorted()).toEqual([
      ...['adapter_config.json', 'adapter_model.safetensors'],
    ]);
    const base = await tinyModel();
    const untouched = { text: base.textEncoder };
    await loadLora(untouched.text, join(outputDir, 'adapter'));
    // An adapted model exports, predicts and saves as the merged one does.
    await base.save(place('adapted'));
    const exported = await OnnxModel.fromPretrained(await base.toOnnx({ mode: 'text' }));
    const rows = tinyRows(4).map(({ text }) => ({ text }));
    const answers = await exported.predict(rows);
    mergeLora(base.textEncoder);
    const merged = await weightsOf(base);
    const [name, text] = [`${layer}.query.weight`, await weightsOf(saved)];
    expectClose(merged[name]!, text[name]!, { relative: 1e-6 });
    const again = await BertResNetModel.fromPretrained(place('adapted'));
    expectClose((await weightsOf(again))[name]!, merged[name]!, { relative: 1e-6 });
    const expected = await base.predict(rows);
    answers.forEach(({ probability }, i) =>
      expect(probability).toBeCloseTo(expected[i]!.probability, 5),
    );
    expect(history.some(({ best }) => best)).toBe(true);
    await exported.dispose();
    [model, saved, base, again].forEach((one) => one.dispose());
  });

  it('goes on exactly after an abort, and cooks a soup of what is merged', async () => {
    const busy = { soup: 2, outputDir: place('whole'), gradientCheckpointing: true };
    const whole = await trained(busy);
    const controller = new AbortController();
    const model = await tinyModel();
    const cut = new Trainer(model, { ...options, ...busy, outputDir: place('cut') });
    const stopped = cut.fit(tinyData(10), {
      ...{ validation, signal: controller.signal },
      onStep: ({ step }) => void (step === 4 && controller.abort(new Error('later'))),
    });
    await expect(stopped).rejects.toThrow('later');
    expect(Object.keys(await weightsOf(model))).toEqual(Object.keys(whole.weights));
    const resumed = await trained({ ...busy, outputDir: place('cut'), resume: true });
    expect(resumed.history).toEqual(whole.history);
    expect(resumed.weights).toEqual(whole.weights);
    [model, whole.model, resumed.model].forEach((one) => one.dispose());
  });

  it('refuses adapters that are not its own, and options that contradict them', async () => {
    const model = await tinyModel();
    const refused = (more: TrainerOptions) => () => new Trainer(model, { ...options, ...more });
    expect(refused({ freeze: { text: true } })).toThrow('leave one of them out');
    expect(refused({ lora: { keepAdapter: true } })).toThrow('got no outputDir');
    expect(refused({ lora: { keepAdapter: true }, outputDir: 'a', soup: 2 })).toThrow(
      'a soup of 2',
    );
    expect(refused({ lora: { r: 0 } })).toThrow('lora.r must be at least 1');
    addLora(model.textEncoder);
    const fit = new Trainer(model, options).fit(tinyData(4));
    await expect(fit).rejects.toThrow('merge them (mergeLora)');
    model.dispose();
  });
});
