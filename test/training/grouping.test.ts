import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Dataset } from '../../src/datasets/example.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { Random } from '../../src/nn/random.js';
import { evaluate } from '../../src/training/evaluate.js';
import type { StepRecord } from '../../src/training/records.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends } from '../backends.js';
import { compiledBy, seesPictures } from '../programs.js';
import { labels, tinyModel, tinyRows, weightsOf } from './tiny.js';

/** Rows of 6 to 16 tokens; a share of them lacks its picture. */
function unevenData(count: number, missing = 0, name = 'uneven'): Dataset {
  const random = new Random(7);
  const rows = tinyRows(count).map(({ text, image, label }) => {
    const long = `${text}${' a'.repeat(random.integer(11))}`;
    return random.uniform() < missing ? { text: long, label } : { text: long, image, label };
  });
  return datasetFrom(rows, { labels, name });
}

/** The rows that are read, in the order of the batches, of texts of these lengths. */
async function readOrder(options: TrainerOptions): Promise<number[]> {
  const model = await tinyModel();
  const rows = unevenData(40);
  const read: number[] = [];
  let training = false;
  const examples: Dataset['examples'] = (positions) => {
    // The first pass, in the order of the rows, measures them.
    training ||= positions.length <= 4;
    if (training) read.push(...positions);
    return rows.examples(positions);
  };
  const { labelOf, size, name, describe } = rows;
  const data = { labelOf, size, name, describe, labels, examples, fingerprint: 'uneven' };
  await new Trainer(model, { epochs: 1, batchSize: 4, mode: 'text', ...options }).fit(data);
  model.dispose();
  return read;
}

const quick: TrainerOptions = { epochs: 2, batchSize: 4, learningRate: 0.01 };

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grouping-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function trained(options: TrainerOptions, stopAt?: number) {
  const model = await tinyModel();
  const controller = new AbortController();
  const onStep = ({ step }: StepRecord): void => {
    if (step === stopAt) controller.abort(new Error('later'));
  };
  const fit = new Trainer(model, options).fit(unevenData(43), {
    validation: unevenData(9, 0, 'held'),
    signal: controller.signal,
    onStep,
  });
  const history = await fit.catch((error: Error) => error.message);
  const weights = await weightsOf(model);
  model.dispose();
  return { history, weights };
}

describeBackends('grouping by length', (backend) => {
  it('is on unless it is turned off, and reads every row once either way', async () => {
    const [grouped, shuffled] = [await readOrder({}), await readOrder({ groupByLength: false })];
    expect(grouped).not.toEqual(shuffled);
    expect(grouped.toSorted()).toEqual(shuffled.toSorted());
  });

  it('goes on exactly in the middle of an epoch', async () => {
    const options = { ...quick, outputDir: join(folder, 'run') };
    const whole = await trained({ ...quick, outputDir: join(folder, 'whole') });
    expect((await trained(options, 4)).history).toBe('later');
    expect((await trained({ ...options, resume: true }, 15)).history).toBe('later');
    expect(await trained({ ...options, resume: true })).toEqual(whole);
    await expect(
      trained({ ...options, resume: true, groupByLength: false }),
    ).resolves.toMatchObject({
      history: expect.stringContaining('groupByLength: true there, false now'),
    });
  });

  it('changes no figure of an evaluation', async () => {
    const model = await tinyModel();
    const rows = unevenData(23, 0.3);
    const one = await evaluate(model, rows, { batchSize: 1 });
    const several = await evaluate(model, rows, { batchSize: 5 });
    expect(several.modes.both!.confusion).toEqual(one.modes.both!.confusion);
    expect(several.loss).toBeCloseTo(one.loss, 5);
    model.dispose();
  });

  it.runIf(backend === 'onnxruntime')(
    'compiles few graphs where lengths differ and pictures are missing',
    async () => {
      const model = await tinyModel();
      const trainer = new Trainer(model, { ...quick, batchSize: 8 });
      const programs = await compiledBy(() => trainer.fit(unevenData(160, 0.4)));
      model.dispose();
      // Three or four rows of eight without a picture.
      expect(programs.filter(seesPictures).length).toBeLessThanOrEqual(2);
      // Texts of 8 or 16 tokens, forward and backward.
      expect(programs.filter((program) => !seesPictures(program)).length).toBeLessThanOrEqual(4);
    },
  );
});
