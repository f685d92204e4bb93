import * as tf from '@tensorflow/tfjs-core';
import { BertResNetModel } from '../../src/model.js';
import { AdamW } from '../../src/training/optimizer.js';
import { softmaxCrossEntropy } from '../../src/training/loss.js';
import type { Recorded } from '../recorded.js';

type Values = Record<string, Float32Array | Int32Array | Uint8Array>;

/** The numbers of five training steps of a whole model, by the names of its parameters and buffers. */
export interface FiveSteps {
  readonly losses: number[];
  /** Of each step, before its update. */
  readonly logits: number[][];
  /** Those of the first step. */
  readonly gradients: Values;
  /** All weights and statistics after the last. */
  readonly end: Values;
}

/** The model that the steps train, with the weights that stand under a prefix. */
export function recordedModel(recorded: Recorded, prefix = 'start.'): BertResNetModel {
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
  model.loadStateDict(recorded.under(prefix));
  return model;
}

/** The part of a recorded array that belongs to one of its steps. */
export function ofStep<T extends Float32Array | Int32Array>(
  recorded: Recorded,
  name: string,
  step: number,
): T {
  const { values, shape } = recorded.host(name);
  const size = values.length / shape[0]!;
  return values.slice(step * size, (step + 1) * size) as T;
}

function lossOf(
  model: BertResNetModel,
  recorded: Recorded,
  step: number,
): { loss: tf.Scalar; both: tf.Tensor2D } {
  const shape = recorded.host('ids').shape.slice(1) as [number, number];
  const pictures = recorded.host('pixels').shape.slice(1) as [number, number, number, number];
  const text = {
    inputIds: tf.tensor2d(ofStep<Int32Array>(recorded, 'ids', step), shape, 'int32'),
    attentionMask: tf.tensor2d(ofStep<Int32Array>(recorded, 'mask', step), shape, 'int32'),
  };
  const image = tf.tensor4d(ofStep<Float32Array>(recorded, 'pixels', step), pictures);
  const features = model.encode({ text, image }, { training: true });
  const modes = ['both', 'text', 'image'] as const;
  const logits = modes.map((mode) => model.classify(features, { mode, training: true }));
  const labels = ofStep<Int32Array>(recorded, 'labels', step);
  const losses = logits.map((values) => softmaxCrossEntropy(values, labels));
  return { loss: tf.addN(losses), both: tf.keep(logits[0]!) };
}

/** The optimizer of the steps. */
export function recordedOptimizer(): AdamW {
  return new AdamW({ learningRate: 1e-2, weightDecay: 0.05, epsilon: 1e-3 });
}

/** One of the steps; returns its loss. */
export async function recordedStep(
  model: BertResNetModel,
  optimizer: AdamW,
  recorded: Recorded,
  step: number,
): Promise<number> {
  const value = tf.tidy(() => {
    const { value, grads } = tf.variableGrads(() => {
      const { loss, both } = lossOf(model, recorded, step);
      both.dispose();
      return loss;
    }, [...model.namedParameters().values()]);
    optimizer.applyGradients(grads);
    return value;
  });
  const [loss] = await value.data();
  value.dispose();
  return loss!;
}

/** The steps that test/fixtures/make_training.py recorded of PyTorch, on the current backend. */
export async function fiveSteps(recorded: Recorded): Promise<FiveSteps> {
  const model = recordedModel(recorded);
  const optimizer = recordedOptimizer();
  const parameters = model.namedParameters();
  const result: FiveSteps = { losses: [], logits: [], gradients: {}, end: {} };
  for (let step = 0; step < recorded.host('ids').shape[0]!; step++) {
    let both: tf.Tensor2D | undefined;
    const { value, grads } = tf.variableGrads(() => {
      const made = lossOf(model, recorded, step);
      both = made.both;
      return made.loss;
    }, [...parameters.values()]);
    optimizer.applyGradients(grads);
    result.losses.push(...(await value.data()));
    result.logits.push([...(await both!.data())]);
    if (step === 0) {
      for (const [name, { name: key }] of parameters) {
        result.gradients[name] = await grads[key]!.data();
      }
    }
    tf.dispose([grads, value, both!]);
  }
  for (const [name, tensor] of Object.entries(model.stateDict())) {
    result.end[name] = await tensor.data();
    tensor.dispose();
  }
  optimizer.dispose();
  model.dispose();
  return result;
}
