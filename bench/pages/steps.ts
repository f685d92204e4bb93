import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import type { BackendName } from '../../src/backends/select.js';
import { nextTurn } from '../../src/eventLoop.browser.js';
import { BertResNetModel } from '../../src/model.js';
import { AdamW } from '../../src/training/optimizer.js';

/** Trains a small model for some steps; the milliseconds of one, without the first. */
export async function train(backend: BackendName, steps: number): Promise<number> {
  await useBackend(backend);
  const model = new BertResNetModel({
    text: {
      vocabSize: 1000,
      hiddenSize: 64,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      intermediateSize: 128,
    },
    image: { embeddingSize: 8, hiddenSizes: [8, 16], depths: [1, 1], layerType: 'basic' },
  });
  const optimizer = new AdamW({ learningRate: 1e-4 });
  const text = { inputIds: tf.ones<tf.Rank.R2>([4, 32], 'int32') };
  const image = tf.ones<tf.Rank.R4>([4, 32, 32, 3]);
  const loss = (): tf.Scalar =>
    tf.mean(tf.square(model.forward({ text, image }, { training: true })));
  let started = 0;
  for (let step = 0; step <= steps; step++) {
    if (step === 1) started = performance.now();
    const value = optimizer.minimize(loss, true)!;
    await value.data();
    value.dispose();
    await nextTurn(); // as the Trainer does
  }
  return (performance.now() - started) / steps;
}
