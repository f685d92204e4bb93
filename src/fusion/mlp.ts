import * as tf from '@tensorflow/tfjs-core';
import { relu } from '../nn/activations.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import type { Scope } from '../nn/module.js';
import type { OptionsSchema } from '../schema.js';
import { Fusion, noOptions } from './fusion.js';
import type { FusionConfig, FusionSizes } from './fusion.js';

/** A hidden layer with ReLU on the concatenation of two inputs: parameters `fc1`, `fc2`. */
export class TwoInputMLP extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;

  /** @param scope `{ seed }` chooses the first weights */
  constructor(in1: number, in2: number, hidden: number, out: number, scope: Scope = {}) {
    super(scope);
    this.fc1 = this.child('fc1', (inner) => new Linear(in1 + in2, hidden, inner));
    this.fc2 = this.child('fc2', (inner) => new Linear(hidden, out, inner));
  }

  /** [batch, in1] and [batch, in2] to [batch, out]. */
  forward(first: tf.Tensor2D, second: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => {
      const joined = tf.concat([first, second], 1);
      return this.fc2.forward(relu(this.fc1.forward(joined)));
    });
  }
}

/** The default: a hidden layer on both features joined, `mlp_both`. */
export class MlpFusion extends Fusion {
  static readonly options: OptionsSchema = noOptions;
  readonly mlpBoth: TwoInputMLP;

  constructor(sizes: FusionSizes, scope: Scope = {}, config: FusionConfig = { type: 'mlp' }) {
    super(config, sizes, scope);
    const { textSize, imageSize, hiddenSize, classes } = sizes;
    this.mlpBoth = this.child(
      'mlp_both',
      (inner) => new TwoInputMLP(textSize, imageSize, hiddenSize, classes, inner),
    );
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return this.mlpBoth.forward(text, image);
  }
}
