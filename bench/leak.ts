/**
 * Resident memory and what is counted over a thousand training steps of a small model, on batches of four lengths;
 * then over 300 programs of different structure, of which the cache keeps its most.
 *
 *     npm run bench:leak [-- steps]
 */
import * as tf from '@tensorflow/tfjs-core';
import { AdamW, BertResNetModel, useBackend } from '../src/index.js';
import { stats } from '../src/onnxruntime.js';

const steps = Number(process.argv[2] ?? 1000);
const batch = 8;
const size = 64;

await useBackend('onnxruntime');
const model = new BertResNetModel({
  labels: ['a', 'b', 'c'],
  text: { hiddenSize: 64, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 256 },
  image: {
    embeddingSize: 16,
    hiddenSizes: [16, 32, 64, 128],
    depths: [1, 1, 1, 1],
    layerType: 'basic',
  },
  hiddenSize: 64,
});
const variables = [...model.namedParameters().values()];
const optimizer = new AdamW({ learningRate: 1e-4 });

async function train(step: number): Promise<void> {
  const length = 16 + 8 * (step % 4);
  const loss = tf.tidy(() => {
    const ids = Int32Array.from({ length: batch * length }, (_, i) => (i * 7919 + step) % 30522);
    const labels = tf.oneHot(
      Array.from({ length: batch }, (_, i) => i % 3),
      3,
    );
    const text = { inputIds: tf.tensor2d(ids, [batch, length], 'int32') };
    const pixels = Float32Array.from({ length: batch * size * size * 3 }, (_, i) =>
      Math.sin(i + step),
    );
    const image = tf.tensor4d(pixels, [batch, size, size, 3]);
    const objective = (): tf.Scalar => {
      const logits = model.forward({ text, image }, { training: true });
      const losses = tf.sum(tf.mul(labels, tf.logSoftmax(logits)), 1);
      return tf.neg(tf.mean<tf.Scalar>(losses));
    };
    return optimizer.minimize(objective, true, variables)!;
  });
  await loss.data();
  loss.dispose();
}

async function another(structure: number): Promise<void> {
  const value = tf.tidy(() => tf.sum(tf.square(tf.ones([64, 1 + structure]))));
  await value.data();
  value.dispose();
}

const head = ['', 'resident MiB', 'JS MiB', 'tensors', 'values', 'buffers', 'pending', 'programs'];

function line(...cells: readonly (string | number)[]): void {
  console.log(cells.map((cell) => String(cell).padStart(12)).join(' '));
}

function report(name: string): void {
  for (let i = 0; i < 2; i++) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const { values, buffers, pending, executables } = stats();
  const memory = [rss, heapUsed + external].map((bytes) => (bytes / 2 ** 20).toFixed(0));
  line(name, ...memory, tf.memory().numTensors, values, buffers, pending, executables);
}

async function watch(
  name: string,
  count: number,
  work: (i: number) => Promise<void>,
): Promise<void> {
  const every = Math.max(1, Math.round(count / 10));
  for (let i = 0; i < count; i++) {
    await work(i);
    if ((i + 1) % every === 0) report(`${name} ${i + 1}`);
  }
}

line(...head);
report('start');
await watch('step', steps, train);
await watch('program', 300, another);
