import * as tf from '@tensorflow/tfjs-core';
import type { StepSizes } from '../../src/cli/stepTime.js';
import { BertResNetModel } from '../../src/model.js';
import { clipScale, globalNorm } from '../../src/training/clip.js';
import { AdamW } from '../../src/training/optimizer.js';

/** A model of some sizes and invented rows, on the backend that is in use. */
export class TrainingStep {
  readonly #model: BertResNetModel;
  readonly #variables: tf.Variable[];
  readonly #optimizer = new AdamW({ learningRate: 1e-4 });
  readonly #text: { inputIds: tf.Tensor2D; attentionMask: tf.Tensor2D };
  readonly #image: tf.Tensor4D;
  readonly #labels: tf.Tensor2D;

  constructor({ text, image, batch, tokens, pixels }: StepSizes) {
    this.#model = new BertResNetModel({ labels: ['a', 'b', 'c'], text, image, seed: 1 });
    this.#variables = [...this.#model.namedParameters().values()];
    const ids = Int32Array.from({ length: batch * tokens }, (_, i) => (i * 7919) % 1000);
    const values = Float32Array.from({ length: batch * pixels ** 2 * 3 }, (_, i) => Math.sin(i));
    const classes = Float32Array.from({ length: batch * 3 }, (_, i) =>
      Number(i % 3 === Math.floor(i / 3) % 3),
    );
    this.#text = {
      inputIds: tf.tensor2d(ids, [batch, tokens], 'int32'),
      attentionMask: tf.ones<tf.Rank.R2>([batch, tokens], 'int32'),
    };
    this.#image = tf.tensor4d(values, [batch, pixels, pixels, 3]);
    this.#labels = tf.tensor2d(classes, [batch, 3]);
  }

  /** A forward pass; the sum of the logits. */
  async evaluate(): Promise<number> {
    return read(tf.tidy(() => tf.sum(this.#model.forward(this.#inputs))));
  }

  /** As src/training/step.ts has it: gradients, their norm, clipping and the update at once; the loss before it. */
  async train(): Promise<number> {
    const { value, grads } = tf.variableGrads(() => {
      const logits = this.#model.forward(this.#inputs, { training: true });
      return tf.neg(tf.mean(tf.sum(tf.mul(this.#labels, tf.logSoftmax(logits)), 1))) as tf.Scalar;
    }, this.#variables);
    const norm = globalNorm(Object.values(grads));
    const scale = clipScale(norm, 1);
    this.#optimizer.applyScaledGradients(grads, scale);
    tf.dispose([...Object.values(grads), scale]);
    const loss = await read(value);
    await read(norm);
    return loss;
  }

  /** Waits until the last update was made, of which the queue of a graphics card may know nothing yet. */
  async settle(): Promise<void> {
    await read(tf.tidy(() => tf.sum(this.#variables.at(-1)!)));
  }

  get #inputs() {
    return { text: this.#text, image: this.#image };
  }
}

async function read(scalar: tf.Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.dispose();
  return value!;
}
