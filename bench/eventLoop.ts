/**
 * How long training holds up everything else on its thread: the longest delay of a timer during some steps, on the
 * thread that trains, plainly and with gradient checkpointing (smaller programs), and on the main thread while a
 * worker trains. Model and batch as bench/step.ts's `small`.
 *
 *     npm run bench:event-loop -- [steps]
 */
import * as tf from '@tensorflow/tfjs-core';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { useBackend } from '../src/backends/select.js';
import { BertResNetModel } from '../src/model.js';
import { AdamW } from '../src/training/optimizer.js';

const steps = Number(process.argv[2] ?? 4);

/** Trains for some steps; the milliseconds of one, without the first. */
async function train(gradientCheckpointing: boolean): Promise<number> {
  await useBackend('onnxruntime');
  const model = new BertResNetModel({
    text: { hiddenSize: 384, numHiddenLayers: 6, numAttentionHeads: 12, intermediateSize: 1536 },
    image: { embeddingSize: 64, hiddenSizes: [64, 128, 256, 512], depths: [3, 4, 6, 3] },
  });
  const optimizer = new AdamW({ learningRate: 1e-5 });
  const text = { inputIds: tf.ones<tf.Rank.R2>([16, 64], 'int32') };
  const image = tf.ones<tf.Rank.R4>([16, 224, 224, 3]);
  const loss = (): tf.Scalar =>
    tf.mean(tf.square(model.forward({ text, image }, { training: true, gradientCheckpointing })));
  let started = 0;
  for (let step = 0; step <= steps; step++) {
    if (step === 1) started = performance.now();
    const value = optimizer.minimize(loss, true)!;
    await value.data();
    value.dispose();
  }
  const mean = (performance.now() - started) / steps;
  optimizer.dispose();
  model.dispose();
  tf.dispose([{ ...text }, image]);
  return mean;
}

/** The longest delay of the event loop while something runs. */
async function delayDuring(what: string, run: () => Promise<number>): Promise<void> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const step = await run();
  delays.disable();
  const longest = (delays.max / 1e6).toFixed(0);
  console.log(
    `${what}: the event loop waits at most ${longest} ms; a step takes ${step.toFixed(0)} ms`,
  );
}

function inWorker(): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { argv: [String(steps)] });
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}

if (isMainThread) {
  await delayDuring('on the same thread', () => train(false));
  await delayDuring('on the same thread, gradientCheckpointing', () => train(true));
  await delayDuring('in a worker', inWorker);
} else {
  parentPort!.postMessage(await train(false), []);
}
