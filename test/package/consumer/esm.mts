import * as tf from '@tensorflow/tfjs-core';
import { AdamW, BertResNetModel, useBackend } from 'bertresnet';
import type { Dataset } from 'bertresnet';

/** Anything with these members is a data set. */
export const nothing: Dataset = {
  size: 0,
  labels: ['no', 'yes'],
  name: 'nothing',
  examples: () => Promise.resolve([]),
  describe: (position) => `row ${position}`,
};

const backend: string = await useBackend('cpu');
const model = new BertResNetModel({
  labels: [...nothing.labels],
  text: {
    hiddenSize: 8,
    numHiddenLayers: 1,
    numAttentionHeads: 2,
    intermediateSize: 16,
    vocabSize: 11,
    maxPositionEmbeddings: 8,
  },
  image: { embeddingSize: 4, hiddenSizes: [4, 8], depths: [1, 1], layerType: 'basic' },
});
const inputIds = tf.tensor2d([[2, 5, 3]], [1, 3], 'int32');
const logits: tf.Tensor = model.forward({ text: { inputIds } }, { mode: 'text', training: false });
const weights: Map<string, tf.Variable> = model.namedParameters();
const optimizer: tf.Optimizer = new AdamW({ learningRate: 1e-3 });

// What instanceof says tells whether the package and its user share one TensorFlow.js.
console.log(
  JSON.stringify({
    backend,
    shape: logits.shape,
    values: (await logits.data()).length,
    oneTensorFlow: logits instanceof tf.Tensor && optimizer instanceof tf.Optimizer,
    parameters: weights.size > 0,
  }),
);
