import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { epochOrder } from '../../src/datasets/rowOrder.js';
import type { Mode } from '../../src/fusion/fusion.js';
import type { BertResNetModel } from '../../src/model.js';
import { swapMatrix } from '../../src/training/imageSwap.js';
import { mixingMatrix } from '../../src/training/mixup.js';
import { droppedInputs } from '../../src/training/modalityDropout.js';
import type { StepRecord } from '../../src/training/records.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { inputsOf, stillModel } from './still.js';
import { labels, tinyModel, tinyRows } from './tiny.js';

type Table = readonly (readonly number[])[];

const seed = 5;
/** A colour for each row, so that no two pictures of a class are alike. */
const rows = tinyRows(5).map((row, i) => {
  const colour = [50 * i, 250 - 40 * i, (90 * i) % 256, 255];
  const data = Uint8Array.from({ length: 8 * 8 * 4 }, (_, at) => colour[at % 4]!);
  return { ...row, image: { width: 8, height: 8, data } };
});
/** The rows in the order in which the first batch has them. */
const shuffled = [...epochOrder(seed, 0, rows.length)].map((position) => rows[position]!);
const classes = shuffled.map(({ label }) => labels.indexOf(label as string));
const heads = ['both', 'text', 'image'] as const;

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const product = (a: Table, b: Table): Table =>
  a.map((row) => b[0]!.map((_, column) => sum(row.map((x, i) => x * b[i]![column]!))));
const identity = range(rows.length).map((i) => range(rows.length).map((j) => (i === j ? 1 : 0)));
const oneHot = classes.map((label) => labels.map((_, i) => (i === label ? 1 : 0)));

/** A run's first step. It changes nothing, and its pictures' encoder has the statistics that answers have. */
async function firstStep(model: BertResNetModel, options: TrainerOptions): Promise<StepRecord> {
  const steps: StepRecord[] = [];
  const how = { epochs: 1, batchSize: rows.length, learningRate: 0, seed, ...options };
  await new Trainer(model, { freeze: { image: true }, ...how }).fit(datasetFrom(rows, { labels }), {
    onStep: (step) => void steps.push(step),
  });
  return steps[0]!;
}

/** The logits of every head, of features that these matrices mix. */
async function answers(
  model: BertResNetModel,
  mix: Table = identity,
  mixImages: Table = mix,
): Promise<Record<Mode, Table>> {
  const inputs = await inputsOf(model, shuffled);
  const found = {} as Record<Mode, Table>;
  for (const mode of heads) {
    const logits = tf.tidy(() => {
      const { text, image } = model.encode(inputs, { mode: 'both' });
      const mixed = (matrix: Table, features: tf.Tensor2D): tf.Tensor2D =>
        tf.matMul(tf.tensor2d(matrix.map((row) => [...row])), features);
      const features = { text: mixed(mix, text!), image: mixed(mixImages, image!) };
      return model.classify(features, { mode });
    });
    const values = await take(logits);
    found[mode] = classes.map((_, i) => values.slice(3 * i, 3 * i + 3));
  }
  tf.dispose([{ ...inputs.text }, inputs.image]);
  return found;
}

function logSoftmax(logits: readonly number[]): number[] {
  const total = Math.log(sum(logits.map(Math.exp)));
  return logits.map((logit) => logit - total);
}

/** What a loss is made of, with the values of a run that is given no option. */
const plain = {
  smoothing: 0,
  gamma: 0,
  weights: labels.map(() => 1),
  /** What each row counts in each head. */
  counts: classes.map(() => ({ both: 1, text: 1, image: 1 })),
  /** What mixes the targets. */
  mix: identity as Table,
};

/** The loss by its formula. */
function lossOf(logits: Record<Mode, Table>, given: Partial<typeof plain> = {}): number {
  const { smoothing, gamma, weights, counts, mix } = { ...plain, ...given };
  const targets = oneHot.map((row) =>
    row.map((one, i) => weights[i]! * ((1 - smoothing) * one + smoothing / labels.length)),
  );
  const losses = product(mix, targets).map((target, row) =>
    heads.map((head) => {
      const logs = logSoftmax(logits[head][row]!);
      const terms = logs.map((log, i) => -target[i]! * (1 - Math.exp(log)) ** gamma * log);
      return counts[row]![head] * sum(terms);
    }),
  );
  return sum(losses.flat()) / sum(classes.map((label) => weights[label]!));
}

const weights = [1, 2, 5];
/** What a row counts without one of its inputs, or with both. */
const without = {
  text: { both: 0, text: 0, image: 1 },
  image: { both: 0, text: 1, image: 0 },
  none: { both: 1, text: 1, image: 1 },
};
const present = rows.map(() => true);
const batchOfBoth = { hasText: present, hasImage: present };
const left = droppedInputs(
  batchOfBoth,
  { text: 0.3, image: 0.3 },
  ...([seed, 'modality', 0] as const),
);

describeBackends('the loss of a run', () => {
  test.each<[TrainerOptions, Partial<typeof plain>]>([
    [{ labelSmoothing: 0.3 }, { smoothing: 0.3 }],
    [{ focalGamma: 2 }, { gamma: 2 }],
    [{ classWeights: weights }, { weights }],
    [{ classWeights: { warm: 5, cold: 1, mild: 2 } }, { weights }],
    [{ classWeights: 'balanced' }, { weights: [5 / 6, 5 / 6, 5 / 3] }],
    [{ classWeights: weights, batchSize: 2, gradientAccumulationSteps: 3 }, { weights }],
    [
      { classWeights: weights, labelSmoothing: 0.3, focalGamma: 1 },
      { weights, smoothing: 0.3, gamma: 1 },
    ],
    [
      { auxiliary: { weight: 0.4 } },
      { counts: rows.map(() => ({ both: 1, text: 0.4, image: 0.4 })) },
    ],
    [{ modalityDropout: { text: 1 } }, { counts: rows.map(() => without.text) }],
    [{ modalityDropout: { image: 1 } }, { counts: rows.map(() => without.image) }],
    [{ modalityDropout: 0.6 }, { counts: left.map((input) => without[input ?? 'none']) }],
  ])('with %j is that of its formula', async (options, formula) => {
    const model = await stillModel();
    const logits = await answers(model);
    const expected = lossOf(logits, formula);
    expect(Math.abs(expected - lossOf(logits))).toBeGreaterThan(0.02);
    expectClose([(await firstStep(model, options)).loss!], [expected], { relative: 1e-5 });
    model.dispose();
  });

  test('leaves out either input of some rows', () => {
    expect(new Set(left)).toEqual(new Set(['text', 'image', undefined]));
  });

  test('with mixup is that of features and targets which one matrix mixes', async () => {
    const model = await stillModel();
    const kinds = rows.map(() => 'both');
    const values = mixingMatrix(kinds, 2, seed, 'mixup', 0);
    const mix = classes.map((_, i) => [...values.slice(5 * i, 5 * i + 5)]);
    const [as, mixed] = [await answers(model), await answers(model, mix)];
    const expected = lossOf(mixed, { mix });
    for (const other of [lossOf(as), lossOf(as, { mix }), lossOf(mixed)]) {
      expect(Math.abs(expected - other)).toBeGreaterThan(0.02);
    }
    expectClose([(await firstStep(model, { mixup: 2 })).loss!], [expected], { relative: 1e-5 });
    model.dispose();
  });

  test('with imageSwap is that of pictures which another row of the class has', async () => {
    const model = await stillModel();
    const values = swapMatrix(batchOfBoth, classes, 1, seed, 'swap', 0);
    const swap = classes.map((_, i) => [...values.slice(5 * i, 5 * i + 5)]);
    expect(swap).not.toEqual(identity);
    tf.tidy(() => {
      for (const weight of model.fusion.namedParameters().values())
        weight.assign(tf.mul(weight, 3));
    });
    const as = await answers(model);
    // The head of pictures alone has the same loss, whichever row of a class has which of its pictures.
    const expected = lossOf(await answers(model, identity, swap));
    expect(Math.abs(expected / lossOf(as) - 1)).toBeGreaterThan(1e-4); // texts of a class are much alike
    expectClose([(await firstStep(model, { imageSwap: 1 })).loss!], [expected], { relative: 1e-5 });
    model.dispose();
  });

  test('with R-Drop grows with its alpha', async () => {
    const model = await tinyModel();
    const losses: number[] = [];
    for (const rDrop of [5, 10, 20]) losses.push((await firstStep(model, { rDrop })).loss!);
    const [five, ten, twenty] = losses as [number, number, number];
    expect(ten - five).toBeGreaterThan(1e-3);
    expectClose([twenty - ten], [2 * (ten - five)], { relative: 1e-3 });
    model.dispose();
  });

  test('has a gradient that is slowed down for the encoder which is ahead', async () => {
    const model = await stillModel();
    const logits = await answers(model);
    const right = (head: Mode): number =>
      sum(classes.map((label, row) => Math.exp(logSoftmax(logits[head][row]!)[label]!)));
    const ratio = right('text') / right('image');
    expect(ratio).toBeGreaterThan(1);
    const normOf = async (options: TrainerOptions): Promise<number> =>
      (await firstStep(model, { auxiliary: { reachEncoders: false }, ...options })).gradNorm;
    const whole = await normOf({});
    const slowed = await normOf({ gradientModulation: { alpha: 0.5, noise: false } });
    const ofHeads = await normOf({ freeze: { text: true, image: true } });
    const kept = 1 - Math.tanh(0.5 * ratio);
    const expected = Math.hypot(ofHeads, kept * Math.sqrt(whole ** 2 - ofHeads ** 2));
    expect(whole / expected).toBeGreaterThan(1.005);
    expectClose([slowed], [expected], { relative: 2e-5 });
    model.dispose();
  });
});
