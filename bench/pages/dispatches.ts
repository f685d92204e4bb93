import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import { webGpuKernels } from '../../src/backends/webgpu/index.js';
import { BertResNetModel } from '../../src/model.js';
import { clipScale, globalNorm } from '../../src/training/clip.js';
import { AdamW } from '../../src/training/optimizer.js';
import { takeWork, watchGpu } from './gpuWork.js';
import type { GpuWork } from './gpuWork.js';

watchGpu();

/** Sizes of a model, and of what it is given. */
export interface Sizes {
  readonly text: Readonly<Record<string, number>>;
  readonly image: Readonly<Record<string, number | string | readonly number[]>>;
  readonly batch: number;
  readonly tokens: number;
  readonly pixels: number;
}

/** What a forward pass and a training step ask of the card, once every program is made. */
export interface Counted {
  readonly forward: GpuWork;
  readonly train: GpuWork;
  /** Pipelines that both together need. */
  readonly pipelines: number;
  /** The losses of the training steps. */
  readonly losses: readonly number[];
}

/**
 * Counts on `webgpu`.
 *
 * @param fused whether this library's own kernels are there.
 */
export async function count(sizes: Sizes, fused: boolean): Promise<Counted> {
  await useBackend('webgpu');
  if (!fused) for (const name of Object.keys(webGpuKernels)) tf.unregisterKernel(name, 'webgpu');
  const { text: textConfig, image: imageConfig, batch, tokens, pixels } = sizes;
  const labels = ['a', 'b', 'c'];
  const model = new BertResNetModel({ labels, text: textConfig, image: imageConfig, seed: 1 });
  const optimizer = new AdamW({ learningRate: 1e-4 });
  const variables = [...model.namedParameters().values()];
  const ids = Int32Array.from({ length: batch * tokens }, (_, i) => (i * 7919) % 1000);
  const text = {
    inputIds: tf.tensor2d(ids, [batch, tokens], 'int32'),
    attentionMask: tf.ones<tf.Rank.R2>([batch, tokens], 'int32'),
  };
  const values = Float32Array.from({ length: batch * pixels ** 2 * 3 }, (_, i) => Math.sin(i));
  const image = tf.tensor4d(values, [batch, pixels, pixels, 3]);
  const classes = Float32Array.from({ length: batch * 3 }, (_, i) =>
    i % 3 === Math.floor(i / 3) % 3 ? 1 : 0,
  );
  const targets = tf.tensor2d(classes, [batch, 3]);

  const evaluate = async (): Promise<number> =>
    read(tf.tidy(() => tf.sum(model.forward({ text, image }))));
  // As src/training/step.ts has it: gradients, their norm, clipping and the update in one go, then two numbers are read.
  const train = async (): Promise<number> => {
    const { value, grads } = tf.variableGrads(() => {
      const logits = model.forward({ text, image }, { training: true });
      return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), 1))) as tf.Scalar;
    }, variables as tf.Variable[]);
    const norm = globalNorm(Object.values(grads));
    const scale = clipScale(norm, 1);
    optimizer.applyScaledGradients(grads, scale);
    tf.dispose([...Object.values(grads), scale]);
    await read(norm);
    return read(value);
  };

  takeWork();
  await evaluate();
  const losses = [await train(), await train()]; // the first makes the moments
  const { pipelines } = takeWork();
  await evaluate();
  const forward = takeWork();
  losses.push(await train());
  return { forward, train: takeWork(), pipelines, losses };
}

async function read(scalar: tf.Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value!;
}
