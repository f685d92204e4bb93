// A whole model in one line, and an answer from it: random, so far, since nothing was trained.
//   npm run example -- 1
import { BertResNetModel, useBackend } from 'bertresnet';
import * as tf from '@tensorflow/tfjs-core';

console.log('computing on', await useBackend('auto'));

// A small BERT reads the text, a ResNet-18 the picture; `fusion` says how the two are put together.
const model = new BertResNetModel({
  labels: ['negative', 'neutral', 'positive'],
  text: {
    vocabSize: 1000,
    hiddenSize: 128,
    numHiddenLayers: 2,
    numAttentionHeads: 2,
    intermediateSize: 512,
  },
  image: 'resnet18',
  fusion: 'attention',
  seed: 42,
});

// One row: the ids of five tokens, and a picture of 64 x 64 pixels, all grey.
const text = { inputIds: tf.tensor2d([[101, 7, 8, 9, 102]], [1, 5], 'int32') };
const image = tf.zeros<tf.Rank.R4>([1, 64, 64, 3]);

for (const mode of ['text', 'image', 'both'] as const) {
  const probabilities = tf.softmax(model.forward({ text, image }, { mode, training: false }));
  console.log(mode.padEnd(5), [...(await probabilities.data())].map((p) => p.toFixed(3)).join(' '));
}

const parameters = [...model.namedParameters().values()];
const count = parameters.reduce((sum, parameter) => sum + parameter.size, 0);
console.log(`${parameters.length} parameters of ${(count / 1e6).toFixed(1)} million numbers`);
