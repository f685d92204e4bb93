import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test, vi } from 'vitest';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { Mode } from '../../src/fusion/fusion.js';
import { BertResNetModel } from '../../src/model.js';
import type { ModelInput } from '../../src/modelOptions.js';
import { DropoutSource } from '../../src/nn/dropout.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends, expectClose } from '../backends.js';
import { labels, tinyModel, tinyRows, weightsOf } from '../training/tiny.js';

const make = (): BertResNetModel =>
  new BertResNetModel({
    labels,
    text: {
      vocabSize: 11,
      hiddenSize: 12,
      numHiddenLayers: 3,
      numAttentionHeads: 2,
      intermediateSize: 10,
      maxPositionEmbeddings: 8,
    },
    image: { embeddingSize: 3, hiddenSizes: [8, 12], depths: [2, 2], layerType: 'bottleneck' },
    hiddenSize: 6,
  });

function inputs(): Required<ModelInput> {
  const ids = Array.from({ length: 12 }, (_, i) => (i * 7) % 11);
  const pixels = Float32Array.from({ length: 3 * 16 * 13 * 3 }, (_, i) => Math.sin(i * 0.37));
  return {
    text: {
      inputIds: tf.tensor2d(ids, [3, 4], 'int32'),
      attentionMask: tf.tensor2d([1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0], [3, 4], 'int32'),
    },
    image: tf.tensor4d(pixels, [3, 16, 13, 3]),
  };
}

/** What a training pass gives and leaves behind: loss, gradients by name, and every statistic. */
async function pass(
  model: BertResNetModel,
  given: ModelInput,
  mode: Mode,
  gradientCheckpointing: boolean,
): Promise<Record<string, number[]>> {
  const random = new DropoutSource(7, 3);
  const context = { mode, training: true, random, gradientCheckpointing };
  const parameters = [...model.trainableParameters()];
  const { value, grads } = tf.variableGrads(
    () => tf.sum(tf.square(model.forward(given, context))),
    parameters.map(([, variable]) => variable),
  );
  const found: Record<string, number[]> = { loss: [...(await value.data())] };
  for (const [name, variable] of parameters) {
    const gradient = grads[variable.name] as tf.Tensor | undefined;
    if (gradient !== undefined) found[name] = [...(await gradient.data())];
  }
  for (const [name, buffer] of model.namedBuffers()) found[name] = [...(await buffer.data())];
  tf.dispose([value, grads]);
  return found;
}

const modes: readonly Mode[] = ['text', 'image', 'both'];

function free({ text, image }: Required<ModelInput>): void {
  tf.dispose([{ ...text }, image]);
}

/** A run of `Trainer` over rows of which one has no picture, and what it leaves in the model. */
async function trained(options: TrainerOptions) {
  const model = await tinyModel();
  const forward = vi.spyOn(model.textEncoder, 'forward');
  const [first, ...rows] = tinyRows(12);
  const { image: _, ...lacking } = first!;
  // Adam divides by the size of a gradient: with a usual epsilon it would magnify the rounding of one that is zero.
  const history = await new Trainer(model, {
    ...{ epochs: 2, batchSize: 4, gradientAccumulationSteps: 2, learningRate: 0.01, epsilon: 1e-3 },
    ...{ mixup: 0.4, schedule: 'constant' },
    ...options,
  }).fit(datasetFrom([lacking, ...rows], { labels }));
  for (const [, context] of forward.mock.calls) {
    expect(context.gradientCheckpointing).toBe(options.gradientCheckpointing ?? false);
  }
  const weights = await weightsOf(model);
  model.dispose();
  return { losses: history.map(({ loss }) => loss), weights };
}

type Trained = Awaited<ReturnType<typeof trained>>;

function expectEqualRuns(actual: Trained, expected: Trained): void {
  expectClose(actual.losses, expected.losses, { relative: 1e-4 });
  expect(Object.keys(actual.weights)).toEqual(Object.keys(expected.weights));
  for (const [name, values] of Object.entries(expected.weights)) {
    expectClose(actual.weights[name]!, values, { relative: 1e-4, absolute: 1e-5 });
  }
}

describeBackends('gradient checkpointing', () => {
  test.each(modes)('%s: the numbers of a pass without, and nothing left behind', async (mode) => {
    const [plain, checkpointed] = [make(), make()];
    const given = inputs();
    const expected = await pass(plain, given, mode, false);
    const before = tf.memory().numTensors;
    const actual = await pass(checkpointed, given, mode, true);
    expect(tf.memory().numTensors).toBe(before);
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    for (const [name, values] of Object.entries(expected)) {
      expectClose(actual[name]!, values, { relative: 1e-5, absolute: 1e-6 });
    }
    free(given);
    plain.dispose();
    checkpointed.dispose();
  });

  test.each(['text', 'image'] as const)('a frozen %s encoder stays as it is', async (frozen) => {
    const [plain, checkpointed] = [make(), make()];
    const given = inputs();
    for (const model of [plain, checkpointed]) model.freeze({ [frozen]: true });
    const expected = await pass(plain, given, 'both', false);
    const actual = await pass(checkpointed, given, 'both', true);
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    for (const [name, values] of Object.entries(expected)) expectClose(actual[name]!, values);
    free(given);
    plain.dispose();
    checkpointed.dispose();
  });

  test('a run with accumulation, mixup and a picture that is missing is that without', async () => {
    expectEqualRuns(await trained({ gradientCheckpointing: true }), await trained({}));
  });

  test('a run may go on with it that began without', async () => {
    const outputDir = await mkdtemp(join(tmpdir(), 'checkpointing-'));
    await trained({ epochs: 1, outputDir });
    const resumed = await trained({ outputDir, resume: true, gradientCheckpointing: true });
    expectEqualRuns(resumed, await trained({}));
    await rm(outputDir, { recursive: true });
  });
});
