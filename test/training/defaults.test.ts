import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { BertResNetModel } from '../../src/model.js';
import { findLearningRate } from '../../src/training/findLearningRate.js';
import { LineProgress } from '../../src/training/progress.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { tinyData, tinyModel, weightsOf } from './tiny.js';

let folder = '';
beforeAll(async () => {
  await useBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'defaults-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** What a trainer is given by a model whose encoders are pretrained, or not. */
async function chosen(
  pretrained: { readonly text?: boolean; readonly image?: boolean },
  options: TrainerOptions = {},
) {
  const model = await tinyModel();
  if (pretrained.text) model.textEncoder.pretrained = true;
  if (pretrained.image) model.visualEncoder.pretrained = true;
  const { learningRate, textLearningRate, imageLearningRate, headLearningRate, epochs, ema } =
    new Trainer(model, options).options;
  model.dispose();
  return {
    rates: [learningRate, textLearningRate, imageLearningRate, headLearningRate],
    epochs,
    ema,
  };
}

const tuned = { epochs: 5, ema: 0 };
const scratch = { epochs: 30, ema: 0.98 };

describe('what a model chooses', () => {
  it('is one thing for fine-tuning, and another from random weights', async () => {
    expect(await chosen({ text: true, image: true })).toEqual({
      ...{ rates: [1e-3, 2e-5, 2e-5, undefined], ...tuned },
    });
    expect(await chosen({})).toEqual({ rates: [1e-3, ...Array(3)], ...scratch });
    expect(await chosen({ text: true })).toEqual({
      ...{ rates: [1e-3, 2e-5, undefined, undefined], ...tuned },
    });
    expect(await chosen({ text: true }, { lora: {} })).toEqual({
      ...{ rates: [1e-3, 3e-4, undefined, undefined], ...tuned },
    });
    // What is not trained says nothing.
    expect(await chosen({ text: true }, { mode: 'image' })).toMatchObject(scratch);
  });

  it('gives way to what is given, and to any rate as a whole', async () => {
    expect(await chosen({}, { epochs: 7, learningRate: undefined })).toEqual({
      ...{ rates: [1e-3, ...Array(3)], epochs: 7, ema: 0.98 },
    });
    expect(await chosen({}, { ema: 0 })).toMatchObject({ epochs: 30, ema: 0 });
    expect(await chosen({}, { headLearningRate: 0.01 })).toEqual({
      ...{ rates: [2e-5, undefined, undefined, 0.01], ...tuned },
    });
  });

  it('goes by weights that were loaded, which a run and a range test are not', async () => {
    const flags = ({ textEncoder, visualEncoder }: BertResNetModel) => [
      ...[textEncoder.pretrained, visualEncoder.pretrained],
    ];
    const model = await tinyModel();
    const validation = tinyData(4, 2);
    await new Trainer(model, { epochs: 2, learningRate: 0.1 }).fit(tinyData(6), { validation });
    await findLearningRate(model, tinyData(6), { steps: 10 });
    expect(flags(model)).toEqual([false, false]);
    await model.save(join(folder, 'model'));
    const loaded = await BertResNetModel.fromPretrained(join(folder, 'model'));
    expect(flags(loaded)).toEqual([true, true]);
    const state = model.stateDict();
    const part = Object.fromEntries(
      Object.entries(state).filter(([name]) => name.startsWith('text_encoder.')),
    );
    model.loadStateDict(part, { strict: false });
    expect(flags(model)).toEqual([true, false]);
    Object.values(state).forEach((tensor) => tensor.dispose());
    [model, loaded].forEach((one) => one.dispose());
  });

  it('is told and recorded, and a run that goes on keeps to it', async () => {
    const fit = async (outputDir: string, stopAt?: number, resumed?: BertResNetModel) => {
      const [model, lines] = [resumed ?? (await tinyModel()), [] as string[]];
      const controller = new AbortController();
      const trainer = new Trainer(model, {
        ...{ epochs: 3, batchSize: 4, outputDir, resume: resumed !== undefined },
        progress: new LineProgress({ write: (line) => void lines.push(line) }),
      });
      const onStep = ({ step }: { step: number }): void =>
        void (step === stopAt && controller.abort(new Error('later')));
      const signal = controller.signal;
      const end = trainer.fit(tinyData(8), { validation: tinyData(4, 2), signal, onStep });
      const history = await end.catch(() => undefined);
      const weights = await weightsOf(model);
      model.dispose();
      return { history, weights, lines, options: trainer.options };
    };
    const whole = await fit(join(folder, 'whole'));
    const rest = 'ema 0.98, schedule cosine, warmupRatio 0.1';
    expect(whole.lines[0]).toBe(`defaults: learningRate 0.001, ${rest}`);
    const config = JSON.parse(
      await readFile(join(folder, 'whole', 'config.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect(config).toMatchObject({
      training: { learningRate: 1e-3, epochs: 3, ema: 0.98 },
      defaults: { learningRate: 1e-3, ema: 0.98, schedule: 'cosine', warmupRatio: 0.1 },
    });
    await fit(join(folder, 'cut'), 3);
    // As the command line does: what is loaded from the run counts as pretrained.
    const model = await BertResNetModel.fromPretrained(join(folder, 'cut', 'model'));
    const resumed = await fit(join(folder, 'cut'), undefined, model);
    expect(resumed.options.learningRate).toBe(1e-3);
    expect(resumed.lines[0]).toMatch(/^training: 3 epochs/);
    expect(resumed.history).toEqual(whole.history);
    expect(resumed.weights).toEqual(whole.weights);
  });
});
