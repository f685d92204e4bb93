import * as tf from '@tensorflow/tfjs-core';
import { AdamW, BertResNetModel } from '../index.js';

/** The sizes of a model and of what it is trained on. */
export interface StepSizes {
  readonly text: Readonly<Record<string, number>>;
  readonly image: Readonly<Record<string, number | string | readonly number[]>>;
  readonly batch: number;
  readonly tokens: number;
  readonly pixels: number;
}

/** A model that the slowest backend steps within a second or so: two layers of BERT, and a ResNet of three stages. */
export const smallStep: StepSizes = {
  text: {
    vocabSize: 1000,
    hiddenSize: 64,
    numHiddenLayers: 2,
    numAttentionHeads: 2,
    intermediateSize: 256,
  },
  image: {
    embeddingSize: 8,
    hiddenSizes: [8, 16, 32],
    depths: [1, 1, 1],
    layerType: 'basic',
  },
  batch: 4,
  tokens: 16,
  pixels: 32,
};

/** What a training step took, in milliseconds. */
export interface StepTime {
  /** The first, in which programs are compiled and memory is found. */
  readonly first: number;
  /** The median of those after it. */
  readonly step: number;
  /** How many those were. */
  readonly timed: number;
  /** The loss that the last step began with. */
  readonly loss: number;
}

/** How long steps are timed. */
export interface TimingLimits {
  /** Steps after the first. */
  readonly steps: number;
  /** Ends the timing behind the step under way (default: none). */
  readonly milliseconds?: number;
  /** As that, but then there is no result. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a model of some sizes on invented rows, on the backend that is in use: a step, then at least one more, and as
 * many as are asked for while the time lasts. Nothing of it is left, and it rejects with the signal's reason where that
 * is aborted.
 */
export async function timeSteps(
  sizes: StepSizes,
  { steps, milliseconds = Infinity, signal }: TimingLimits,
): Promise<StepTime> {
  const model = new BertResNetModel({
    labels: ['a', 'b', 'c'],
    text: sizes.text,
    image: sizes.image,
  });
  const optimizer = new AdamW({ learningRate: 1e-4 });
  const variables = [...model.namedParameters().values()];
  const { text, image, labels } = rows(sizes);
  const loss = (): tf.Scalar => {
    const logits = model.forward({ text, image }, { training: true });
    return tf.neg(tf.mean(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), 1))) as tf.Scalar;
  };
  const times: number[] = [];
  let last = NaN;
  const start = performance.now();
  const isInTime = (): boolean => times.length < 2 || performance.now() - start < milliseconds;
  try {
    for (let step = 0; step <= steps && isInTime(); step++) {
      const began = performance.now();
      const value = optimizer.minimize(loss, true, variables)!;
      // The update is waited for as well as the loss, of which a queue may know nothing yet.
      const [values] = await Promise.all([value.data(), variables[0]!.data()]);
      last = values[0]!;
      value.dispose();
      times.push(performance.now() - began);
      await new Promise((resolve) => setImmediate(resolve)); // in which Ctrl-C is heard
      signal?.throwIfAborted();
    }
  } finally {
    optimizer.dispose();
    model.dispose();
    tf.dispose([{ ...text }, image, labels]);
  }
  const [first, ...rest] = times as [number, ...number[]];
  return { first, step: median(rest), timed: rest.length, loss: last };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function rows({ batch, tokens, pixels }: StepSizes) {
  const ids = Int32Array.from({ length: batch * tokens }, (_, i) => (i * 7919) % 1000);
  const values = Float32Array.from({ length: batch * pixels * pixels * 3 }, (_, i) => Math.sin(i));
  const classes = Float32Array.from({ length: batch * 3 }, (_, i) =>
    i % 3 === Math.floor(i / 3) % 3 ? 1 : 0,
  );
  return {
    text: {
      inputIds: tf.tensor2d(ids, [batch, tokens], 'int32'),
      attentionMask: tf.ones<tf.Rank.R2>([batch, tokens], 'int32'),
    },
    image: tf.tensor4d(values, [batch, pixels, pixels, 3]),
    labels: tf.tensor2d(classes, [batch, 3]),
  };
}
