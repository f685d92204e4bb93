import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { BertResNetModel } from '../../src/model.js';
import type { ModelInput } from '../../src/modelOptions.js';
import { softmaxCrossEntropy } from '../../src/training/loss.js';
import { Trainer } from '../../src/training/trainer.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { inputsOf, stillModel } from './still.js';
import { labels, tinyRows } from './tiny.js';

type Values = Record<string, number[]>;

const rows = tinyRows(6);
const classes = rows.map(({ label }) => labels.indexOf(label as string));

const steps = 5;
const tolerance = 5e-6;

/** All that an update rests on, none of it at its default. */
const given = {
  learningRate: 0.03,
  textLearningRate: 0.05,
  imageLearningRate: 0.02,
  headLearningRate: 0.04,
  layerDecay: 0.6,
  weightDecay: 0.8,
  beta1: 0.6,
  beta2: 0.7,
  epsilon: 0.02,
  maxGradNorm: 0.5,
  schedule: 'linear' as 'linear' | 'cosine',
  warmupSteps: 2,
};
type Given = typeof given;
/** What each is where it is left out; the warm-up is a tenth of the five steps, rounded up. */
const defaults: Partial<Given> = {
  textLearningRate: given.learningRate,
  imageLearningRate: given.learningRate,
  headLearningRate: given.learningRate,
  layerDecay: 1,
  weightDecay: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  maxGradNorm: 1,
  schedule: 'cosine',
  warmupSteps: 1,
};

/** The gradient of each parameter: of the mean cross-entropy of the rows, summed over the heads. */
async function gradientsOf(model: BertResNetModel, inputs: Required<ModelInput>): Promise<Values> {
  const parameters = [...model.namedParameters()];
  const { value, grads } = tf.variableGrads(
    () => {
      const context = { training: true };
      const features = model.encode(inputs, { ...context, mode: 'both' });
      const losses = (['both', 'text', 'image'] as const).map((mode) =>
        softmaxCrossEntropy(model.classify(features, { ...context, mode }), classes),
      );
      return tf.addN(losses);
    },
    parameters.map(([, variable]) => variable),
  );
  value.dispose();
  const found = parameters.map(
    async ([name, { name: own }]) => [name, await take(grads[own]!)] as const,
  );
  return Object.fromEntries(await Promise.all(found));
}

async function parametersOf(model: BertResNetModel): Promise<Values> {
  const found = [...model.namedParameters()].map(
    async ([name, variable]) => [name, Array.from(await variable.data())] as const,
  );
  return Object.fromEntries(await Promise.all(found));
}

/** The peak rate of a parameter: an encoder's last block has its rate times `layerDecay`, the one before it times that again. */
function rateOf(name: string, { layerDecay, ...rates }: Given): number {
  if (name.startsWith('text_encoder.')) {
    return rates.textLearningRate * layerDecay ** (name.includes('.layer.0.') ? 1 : 2);
  }
  if (!name.startsWith('visual_encoder.')) return rates.headLearningRate;
  const blocks = name.includes('.layer2.') ? 1 : name.includes('.layer1.') ? 2 : 3;
  return rates.imageLearningRate * layerDecay ** blocks;
}

/** What the rates are multiplied by at a step, as Hugging Face transformers has it. */
function factorOf(step: number, { schedule, warmupSteps }: Given): number {
  if (step < warmupSteps) return step / warmupSteps;
  const done = (step - warmupSteps) / (steps - warmupSteps);
  return schedule === 'linear' ? 1 - done : 0.5 * (1 + Math.cos(Math.PI * done));
}

const isSpared = (name: string): boolean => /\.bias$|LayerNorm|bn\d|downsample\.1/.test(name);

/** The parameters behind so many updates of AdamW as there are gradients, by its formula. */
function adamW(start: Values, gradients: readonly Values[], decay: string, options: Given): Values {
  const { beta1, beta2, epsilon, weightDecay, maxGradNorm } = options;
  const norms = gradients.map((all) => Math.hypot(...Object.values(all).flat()));
  const after = Object.entries(start).map(([name, values]) => {
    const decayed = decay === 'all' || !isSpared(name) ? weightDecay : 0;
    const moved = values.map((first, i) => {
      let [value, m, v] = [first, 0, 0];
      gradients.forEach((gradient, step) => {
        const rate = factorOf(step, options) * rateOf(name, options);
        const g = gradient[name]![i]! * Math.min(1, maxGradNorm / norms[step]!);
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g ** 2;
        const [mean, square] = [m / (1 - beta1 ** (step + 1)), v / (1 - beta2 ** (step + 1))];
        value -= rate * (decayed * value + mean / (Math.sqrt(square) + epsilon));
      });
      return value;
    });
    return [name, moved] as const;
  });
  return Object.fromEntries(after);
}

/** How far apart two states are where they are the furthest. */
const distance = (a: Values, b: Values, names = Object.keys(a)): number =>
  Math.max(...names.flatMap((name) => a[name]!.map((x, i) => Math.abs(x - b[name]![i]!))));

describeBackends('the optimizer of a run', () => {
  describe.each(['matrices', 'all'] as const)('that decays %s', (decay) => {
    let [start, end]: Values[] = [{}, {}];
    const gradients: Values[] = [];
    const expected = (options: Partial<Given> = {}, decays: string = decay): Values =>
      adamW(start!, gradients, decays, { ...given, ...options });

    beforeAll(async () => {
      const model = await stillModel();
      const inputs = await inputsOf(model, rows);
      start = await parametersOf(model);
      gradients.push(await gradientsOf(model, inputs));
      const options = { epochs: steps, batchSize: rows.length, ...given, decay };
      await new Trainer(model, options).fit(datasetFrom(rows, { labels }), {
        onStep: async ({ step }) => {
          if (step < steps) gradients.push(await gradientsOf(model, inputs));
        },
      });
      end = await parametersOf(model);
      tf.dispose([{ ...inputs.text }, inputs.image]);
      model.dispose();
    });

    test('updates every parameter as AdamW does', () => {
      const found = expected();
      for (const [name, values] of Object.entries(end!)) {
        expectClose(values, found[name]!, { relative: 0, absolute: tolerance });
      }
    });

    test('spares biases and norms alone, if any', () => {
      const other = expected({}, decay === 'all' ? 'matrices' : 'all');
      for (const name of Object.keys(start!)) {
        const apart = distance(end!, other, [name]);
        if (isSpared(name)) expect(apart, name).toBeGreaterThan(100 * tolerance);
        else expect(apart, name).toBeLessThanOrEqual(tolerance);
      }
    });

    test.each(Object.entries(defaults))('rests on %s', (name, value) => {
      expect(distance(end!, expected({ [name]: value }))).toBeGreaterThan(100 * tolerance);
    });
  });
});
