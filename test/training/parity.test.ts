import { expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { BertResNetModel } from '../../src/model.js';
import { AdamW } from '../../src/training/optimizer.js';
import { softmaxCrossEntropy } from '../../src/training/loss.js';
import { normalizeNames } from '../../src/weights/names.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { Oracle, forwardTolerance, gradientTolerance } from '../oracle.js';

const oracle = new Oracle('training');
const [steps, rows, length] = oracle.host('ids').shape as [number, number, number];
const pictures = oracle.host('pixels').shape.slice(1) as [number, number, number, number];

function tinyModel(): BertResNetModel {
  const model = new BertResNetModel({
    labels: ['a', 'b', 'c'],
    text: {
      vocabSize: 13,
      hiddenSize: 12,
      numHiddenLayers: 2,
      numAttentionHeads: 2,
      intermediateSize: 10,
      maxPositionEmbeddings: 9,
      hiddenDropoutProb: 0,
      attentionProbsDropoutProb: 0,
      padTokenId: 0,
    },
    image: { embeddingSize: 4, hiddenSizes: [8, 12], depths: [2, 1], layerType: 'bottleneck' },
    fusion: 'attention',
    hiddenSize: 5,
  });
  model.loadStateDict(oracle.under('start.'));
  return model;
}

/** The part of a recorded array that belongs to a step. */
function at<T extends Float32Array | Int32Array>(name: string, step: number): T {
  const { values } = oracle.host(name);
  const size = values.length / steps;
  return values.slice(step * size, (step + 1) * size) as T;
}

function lossOf(model: BertResNetModel, step: number): { loss: tf.Scalar; both: tf.Tensor2D } {
  const shape: [number, number] = [rows, length];
  const text = {
    inputIds: tf.tensor2d(at<Int32Array>('ids', step), shape, 'int32'),
    attentionMask: tf.tensor2d(at<Int32Array>('mask', step), shape, 'int32'),
  };
  const image = tf.tensor4d(at<Float32Array>('pixels', step), pictures);
  const features = model.encode({ text, image }, { training: true });
  const modes = ['both', 'text', 'image'] as const;
  const logits = modes.map((mode) => model.classify(features, { mode, training: true }));
  const labels = at<Int32Array>('labels', step);
  const losses = logits.map((values) => softmaxCrossEntropy(values, labels));
  return { loss: tf.addN(losses), both: tf.keep(logits[0]!) };
}

describeBackends('five AdamW steps of a whole model equal PyTorch’s', () => {
  test('losses, logits, the first gradients, and all weights and statistics at the end', async () => {
    const model = tinyModel();
    const optimizer = new AdamW({ learningRate: 1e-2, weightDecay: 0.05, epsilon: 1e-3 });
    const parameters = model.namedParameters();
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      let both: tf.Tensor2D | undefined;
      const { value, grads } = tf.variableGrads(() => {
        const made = lossOf(model, step);
        both = made.both;
        return made.loss;
      }, [...parameters.values()]);
      optimizer.applyGradients(grads);
      losses.push(...(await take(value)));
      expectClose(await take(both!), at<Float32Array>('logits', step), forwardTolerance);
      if (step === 0) await expectGradients(parameters, grads);
      tf.dispose(grads);
    }
    expectClose(losses, oracle.host('losses').values, forwardTolerance);
    const end = normalizeNames(oracle.under('end.'), 'model');
    const state = model.stateDict();
    expect(Object.keys(state).sort()).toEqual(Object.keys(end).sort());
    for (const [name, tensor] of Object.entries(state)) {
      expectClose(await take(tensor), end[name]!.values, gradientTolerance);
    }
    optimizer.dispose();
    model.dispose();
  });
});

async function expectGradients(
  parameters: ReadonlyMap<string, tf.Variable>,
  gradients: tf.NamedTensorMap,
): Promise<void> {
  const expected = normalizeNames(oracle.under('gradient.'), 'model');
  expect([...parameters.keys()].sort()).toEqual(Object.keys(expected).sort());
  for (const [name, variable] of parameters) {
    const values = await gradients[variable.name]!.data();
    expectClose(values, expected[name]!.values, gradientTolerance);
  }
}
