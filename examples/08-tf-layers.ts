// The compiled backend without the rest of the library: importing it is all that a TensorFlow.js program needs.
//   npm run example -- 8
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { stats } from 'bertresnet/onnxruntime';
import { shapes, shapeNames } from './tiny/shapes.js';

const { conv2d, maxPooling2d, flatten, dense } = layers.layers;
const model = layers.sequential({
  layers: [
    conv2d({ inputShape: [20, 20, 1], filters: 8, kernelSize: 3, activation: 'relu' }),
    maxPooling2d({ poolSize: 2 }),
    conv2d({ filters: 16, kernelSize: 3, activation: 'relu' }),
    maxPooling2d({ poolSize: 2 }),
    flatten(),
    dense({ units: shapeNames.length, activation: 'softmax' }),
  ],
});
model.compile({
  optimizer: tf.train.adam(5e-3),
  loss: 'categoricalCrossentropy',
  metrics: ['accuracy'],
});

const train = shapes(1500, 1);
const test = shapes(300, 2);
console.log(`${shapeNames.join(', ')} on ${tf.getBackend()}`);
await model.fit(train.images, train.labels, {
  epochs: 8,
  batchSize: 32,
  verbose: 0,
  callbacks: {
    onEpochEnd: (epoch, logs) =>
      console.log(`epoch ${epoch + 1}: loss ${logs?.['loss']?.toFixed(3)}`),
  },
});

const [, accuracy] = model.evaluate(test.images, test.labels) as tf.Scalar[];
console.log(
  `accuracy on ${test.labels.shape[0]} others: ${(await accuracy!.data())[0]!.toFixed(3)}`,
);
const { runs, compilations, compileTime } = stats();
console.log(`${runs} runs of ${compilations} programs, compiled in ${compileTime.toFixed(0)} ms`);
