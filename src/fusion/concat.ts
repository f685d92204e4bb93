import * as tf from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import type { Scope } from '../nn/module.js';
import { Fusion, noOptions } from './fusion.js';
import type { FusionConfig, FusionSizes } from './fusion.js';

/** A linear layer `fc` on both features joined: W [t; i] + b, the simplest that learns of both at once. */
export class ConcatFusion extends Fusion {
  static readonly options = noOptions;
  readonly fc: Linear;

  constructor(sizes: FusionSizes, scope: Scope, config: FusionConfig) {
    super(config, sizes, scope);
    const inputs = sizes.textSize + sizes.imageSize;
    this.fc = this.child('fc', (inner) => new Linear(inputs, sizes.classes, inner));
  }

  protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return this.fc.forward(tf.concat([text, image], 1));
  }
}
