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

/** A model that every backend steps within a second or so: BERT-tiny and a ResNet-18 of a quarter of its width. */
export const smallStep: StepSizes = {
  text: { hiddenSize: 128, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 512 },
  image: {
    embeddingSize: 16,
    hiddenSizes: [16, 32, 64, 128],
    depths: [2, 2, 2, 2],
    layerType: 'basic',
  },
  batch: 16,
  tokens: 32,
  pixels: 64,
};

/** What a training step took, in milliseconds. */
export interface StepTime {
  /** The first, in which programs are compiled and memory is found. */
  readonly first: number;
  /** The median of those after it. */
  readonly step: number;
  /** The loss that the last step began with. */
  readonly loss: number;
}

/** Trains a model of some sizes on invented rows, on the backend that is in use. */
export async function timeSteps(sizes: StepSizes, steps: number): Promise<StepTime> {
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
  for (let step = 0; step <= steps; step++) {
    const began = performance.now();
    const value = optimizer.minimize(loss, true, variables)!;
    // The update is waited for as well as the loss, of which a queue may know nothing yet.
    const [values] = await Promise.all([value.data(), variables[0]!.data()]);
    last = values[0]!;
    value.dispose();
    times.push(performance.now() - began);
  }
  optimizer.dispose();
  model.dispose();
  tf.dispose([{ ...text }, image, labels]);
  const [first, ...rest] = times as [number, ...number[]];
  return { first, step: rest.toSorted((a, b) => a - b)[Math.floor(rest.length / 2)]!, loss: last };
}

function rows({ batch, tokens, pixels }: StepSizes) {
  const ids = Int32Array.from({ length: batch * tokens }, (_, i) => (i * 7919) % 30522);
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
