import * as tf from '@tensorflow/tfjs-core';
import { relu } from '../nn/activations.js';
import { Conv1d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { Fusion, noOptions } from './fusion.js';
import type { FusionSizes } from './fusion.js';

/**
 * Two convolutions along the joined features, each with ReLU and a max pool that halves the length, then
 * a linear layer: the notebook's `nn.Sequential`, with parameters at `cnn.0`, `cnn.3` and `cnn.7`.
 */
export class CnnFusion extends Fusion {
  static readonly options = noOptions;
  readonly conv1: Conv1d;
  readonly conv2: Conv1d;
  readonly classifier: Linear;

  constructor(sizes: FusionSizes, scope: Scope = {}) {
    super({ type: 'cnn' }, sizes, scope);
    const length = Math.floor((sizes.textSize + sizes.imageSize) / 4);
    this.conv1 = this.child('cnn.0', (inner) => new Conv1d(1, 32, inner));
    this.conv2 = this.child('cnn.3', (inner) => new Conv1d(32, 64, inner));
    this.classifier = this.child('cnn.7', (inner) => new Linear(64 * length, sizes.classes, inner));
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const joined = tf.expandDims<tf.Tensor3D>(tf.concat([text, image], 1), -1); // [batch, length, 1]
    const first = halve(relu(this.conv1.forward(joined))); // [batch, length / 2, 32]
    const second = halve(relu(this.conv2.forward(first))); // [batch, length / 4, 64]
    const channelsFirst = tf.transpose(second, [0, 2, 1]); // PyTorch flattens [batch, 64, length / 4]
    return this.classifier.forward(tf.reshape(channelsFirst, [second.shape[0], -1]));
  }
}

/** The larger of each two places: [batch, length, channels] to [batch, length / 2, channels], rounded down. */
function halve(x: tf.Tensor3D): tf.Tensor3D {
  const rows = tf.expandDims<tf.Tensor4D>(x, 1); // [batch, 1, length, channels]
  return tf.squeeze(tf.maxPool(rows, [1, 2], [1, 2], 'valid'), [1]);
}
