import '@tensorflow/tfjs-backend-cpu';
import { expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { stats } from '../../src/onnxruntime.js';
import { expectClose } from '../backends.js';

// What a user of tf.layers writes, who imports bertresnet/onnxruntime and nothing else of this library.

interface Task {
  readonly model: layers.LayersModel;
  readonly inputs: tf.Tensor;
  readonly targets: tf.Tensor;
}

const ROWS = 44;

function filled(shape: number[], value: (i: number) => number): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => value(i)),
    shape,
  );
}

const glorot = (seed: number) => layers.initializers.glorotNormal({ seed }) as never;

function pictures(): Task {
  const model = layers.sequential({
    layers: [
      layers.layers.conv2d({
        inputShape: [8, 8, 3],
        filters: 4,
        kernelSize: 3,
        activation: 'relu',
        kernelInitializer: glorot(1),
      }),
      layers.layers.batchNormalization(),
      layers.layers.maxPooling2d({ poolSize: 2 }),
      layers.layers.flatten(),
      layers.layers.dropout({ rate: 0.2, seed: 3 }),
      layers.layers.dense({
        units: 3,
        activation: 'softmax',
        kernelInitializer: glorot(2),
        kernelRegularizer: layers.regularizers.l2({ l2: 0.01 }) as never,
      }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const inputs = filled([ROWS, 8, 8, 3], (i) => Math.sin(i * i));
  return { model, inputs, targets: filled([ROWS, 3], (i) => Number(i % 3 === (i % 7) % 3)) };
}

function sequences(): Task {
  const model = layers.sequential({
    layers: [
      layers.layers.embedding({
        inputDim: 11,
        outputDim: 4,
        inputLength: 5,
        embeddingsInitializer: glorot(4),
      }),
      layers.layers.lstm({
        units: 4,
        kernelInitializer: glorot(5),
        recurrentInitializer: glorot(6),
      }),
      layers.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: glorot(7) }),
    ],
  });
  model.compile({ optimizer: 'rmsprop', loss: 'binaryCrossentropy', metrics: ['mse'] });
  const inputs = filled([ROWS, 5], (i) => (i * 7) % 11);
  return { model, inputs, targets: filled([ROWS, 1], (i) => i % 2) };
}

const tasks = { pictures, sequences };

interface Outcome {
  readonly history: Record<string, number[]>;
  readonly evaluation: number[];
  readonly predictions: number[];
}

async function fit(task: keyof typeof tasks, backend: string): Promise<Outcome> {
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const { model, inputs, targets } = tasks[task]();
  const options = { epochs: 6, batchSize: 8, shuffle: false, validationSplit: 0.25 };
  const { history } = await model.fit(inputs, targets, options);
  const evaluated = model.evaluate(inputs, targets) as tf.Scalar[];
  const predicted = model.predict(inputs) as tf.Tensor;
  const outcome = {
    history: history as Record<string, number[]>,
    evaluation: evaluated.map((value) => value.dataSync()[0]!),
    predictions: Array.from(await predicted.data()),
  };
  tf.dispose([inputs, targets, predicted, ...evaluated]);
  model.dispose();
  expect(tf.memory().numTensors, `tensors left behind on ${backend}`).toBe(before);
  return outcome;
}

test.each(['pictures', 'sequences'] as const)(
  'a tf.layers model of %s learns as on cpu, in few programs',
  async (task) => {
    const expected = await fit(task, 'cpu');
    const before = stats();
    const actual = await fit(task, 'onnxruntime');
    const after = stats();
    for (const [name, values] of Object.entries(expected.history)) {
      expectClose(actual.history[name]!, values, { relative: 0, absolute: 1e-3 });
    }
    expect(actual.history['loss']!.at(-1)).toBeLessThan(actual.history['loss']![0]!);
    expectClose(actual.evaluation, expected.evaluation, { relative: 0, absolute: 1e-3 });
    expectClose(actual.predictions, expected.predictions, { relative: 0, absolute: 1e-3 });
    expect(after.buffers).toBe(before.buffers);
    expect(after.pending).toBe(0);
    // The first step, the others, the last of an epoch, validation, evaluation and prediction: not one an epoch.
    expect(after.compilations - before.compilations).toBeLessThanOrEqual(10);
  },
);

test('an epoch of many batches is not one program', async () => {
  await tf.setBackend('onnxruntime');
  const model = layers.sequential({
    layers: [layers.layers.dense({ units: 1, inputShape: [2] })],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const inputs = filled([200, 2], (i) => Math.sin(i));
  const targets = filled([200, 1], (i) => Math.cos(i));
  const before = stats();
  await model.fit(inputs, targets, { epochs: 2, batchSize: 2 });
  const { runs, compilations } = stats();
  expect(runs - before.runs).toBeGreaterThanOrEqual(200);
  expect(compilations - before.compilations).toBeLessThanOrEqual(5);
  tf.dispose([inputs, targets]);
  model.dispose();
});

test('a model is saved and loaded by handlers', async () => {
  await tf.setBackend('onnxruntime');
  const { model, inputs, targets } = pictures();
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
  const loaded = await layers.loadLayersModel(tf.io.fromMemory(saved!));
  const [expected, actual] = [model, loaded].map((one) => one.predict(inputs) as tf.Tensor);
  expectClose(await actual!.data(), await expected!.data());
  tf.dispose([inputs, targets, expected!, actual!]);
  model.dispose();
  loaded.dispose();
});
