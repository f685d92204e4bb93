import { expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { batches } from '../../src/datasets/batch.js';
import type { Batch } from '../../src/datasets/batch.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { LabelledExample } from '../../src/datasets/exampleDataset.js';
import type { BertResNetModel } from '../../src/model.js';
import { DropoutSource } from '../../src/nn/dropout.js';
import { batchLoss } from '../../src/training/batchLoss.js';
import { rowLosses } from '../../src/training/rowLoss.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { labels, tinyModel, tinyRows } from './tiny.js';

async function batchOf(model: BertResNetModel, rows: readonly LabelledExample[]): Promise<Batch> {
  const { tokenizer, processor } = model;
  const data = datasetFrom(rows, { labels, onBadRow: 'missing' });
  for await (const batch of batches(data, { batchSize: rows.length, tokenizer, processor })) {
    return batch;
  }
  throw new Error('no batch');
}

/** The loss of a step, its gradients by PyTorch's names, and the statistics that it leaves behind. */
async function step(
  rows: readonly LabelledExample[],
  mode: 'both' | 'image',
  frozen: { readonly image?: boolean } = {},
  rDrop = 0,
) {
  const model = await tinyModel({ initialize: true });
  model.freeze(frozen);
  const batch = await batchOf(model, rows);
  const losses = rowLosses(batch, mode, { weight: 1, reachEncoders: true });
  const options = {
    labelSmoothing: 0,
    mixup: 0,
    random: new DropoutSource(1, 0),
    seed: 1,
    index: 0,
    epoch: 0,
    divisor: losses.rows,
    rDrop,
  };
  const parameters = model.namedParameters();
  const { value, grads } = tf.variableGrads(
    () => batchLoss(model, batch, batch.labels, losses, options),
    [...parameters.values()],
  );
  const result: Record<string, number[]> = { loss: await take(value) };
  for (const [name, variable] of parameters) {
    const gradient = grads[variable.name] as tf.Tensor | null;
    if (gradient) result[`gradient ${name}`] = await take(gradient);
  }
  for (const [name, variable] of model.namedBuffers()) {
    result[`buffer ${name}`] = Array.from(await variable.data());
  }
  model.dispose();
  return result;
}

describeBackends('a batch in which a picture is missing', () => {
  test('trains the image encoder as the batch of those that are there does', async () => {
    const rows = tinyRows(5);
    const { image: _, ...lacking } = rows[2]!;
    const holed = [rows[0]!, rows[1]!, lacking, rows[3]!, rows[4]!];
    const whole = holed.filter((row) => row !== lacking);
    const [actual, expected] = [await step(holed, 'image'), await step(whole, 'image')];
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    expect(Object.keys(actual).some((name) => name.includes('running_mean'))).toBe(true);
    for (const [name, values] of Object.entries(expected)) {
      expectClose(actual[name]!, values, { relative: 1e-4, absolute: 1e-6 });
    }
  });

  test('keeps the text of that row', async () => {
    const rows = tinyRows(4);
    const { image: _, ...lacking } = rows[3]!;
    const result = await step([rows[0]!, rows[1]!, rows[2]!, lacking], 'both');
    expect(result['loss']!.every(Number.isFinite)).toBe(true);
    const statistics = await step([rows[0]!, rows[1]!, rows[2]!], 'both');
    const names = Object.keys(result).filter((name) => name.startsWith('buffer'));
    for (const name of names) expectClose(result[name]!, statistics[name]!, { relative: 1e-5 });
    expect(result['gradient mlp_text.weight']).not.toEqual(statistics['gradient mlp_text.weight']);
  });
});

describeBackends('a batch in which a text is missing', () => {
  test('trains the text encoder as the batch of those that are there does', async () => {
    const rows = tinyRows(4);
    const { text: _, ...lacking } = rows[3]!;
    // The statistics of a picture more would change the features of the others.
    const still = { image: true };
    const holed = await step([...rows.slice(0, 3), lacking], 'both', still);
    const whole = await step(rows.slice(0, 3), 'both', still);
    const names = Object.keys(whole).filter((name) =>
      /^gradient (text_encoder|mlp_text)/.test(name),
    );
    expect(names.length).toBeGreaterThan(10);
    // A step's loss is the mean over its rows: of four here, of three there.
    for (const name of names) {
      const scaled = whole[name]!.map((value) => (value * 3) / 4);
      expectClose(holed[name]!, scaled, { relative: 1e-4, absolute: 1e-6 });
    }
    expect(holed['gradient mlp_image.weight']).not.toEqual(whole['gradient mlp_image.weight']);
  });
});

describeBackends('R-Drop', () => {
  const rows = tinyRows(5);
  const lossAt = async (rDrop: number): Promise<number> =>
    (await step(rows, 'both', {}, rDrop))['loss']![0]!;

  test('adds what the answers are apart, in proportion to alpha', async () => {
    const [once, twice, thrice] = [await lossAt(1), await lossAt(2), await lossAt(3)];
    expect(twice - once).toBeGreaterThan(1e-4);
    expectClose([thrice - twice], [twice - once], { relative: 1e-3 });
  });

  test('shows pictures once, to an encoder that drops nothing', async () => {
    const [plain, compared] = [await step(rows, 'both'), await step(rows, 'both', {}, 1)];
    const names = Object.keys(plain).filter((name) => name.startsWith('buffer'));
    expect(names.some((name) => name.includes('running_mean'))).toBe(true);
    for (const name of names) expect(compared[name]).toEqual(plain[name]);
  });
});
