import * as tf from '@tensorflow/tfjs-core';
import { stats } from 'bertresnet/onnxruntime';
import type { BackendStats } from 'bertresnet/onnxruntime';

// A program of TensorFlow.js and the backend alone: a line is fitted.
const x = tf.tensor1d([0, 1, 2, 3]);
const y = tf.tensor1d([1, 3, 5, 7]);
const slope = tf.variable(tf.scalar(0));
const offset = tf.variable(tf.scalar(0));
const optimizer = tf.train.adam(0.3);
const losses: number[] = [];
for (let step = 0; step < 60; step++) {
  const loss = optimizer.minimize(
    () => tf.mean(tf.squaredDifference(tf.add(tf.mul(x, slope), offset), y)) as tf.Scalar,
    true,
  );
  losses.push((await loss!.data())[0]!);
  loss!.dispose();
}
const { compilations }: BackendStats = stats();
const learns = losses.at(-1)! < losses[0]! / 20;
console.log(JSON.stringify({ backend: tf.getBackend(), learns, compilations }));
