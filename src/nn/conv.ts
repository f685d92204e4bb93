import * as tf from '@tensorflow/tfjs-core';
import { defaultUniform, kaimingNormalFanOut } from './initializers.js';
import { Module } from './module.js';
import type { Scope } from './module.js';
import { differentiable, hasKernel, runFused } from './ops.js';

/** The geometry of a convolution without bias; `padding` defaults to 0 and `stride` to 1. */
export interface Conv2dOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number;
}

/** A 2-D convolution without bias, as torchvision's ResNet has it: parameter `weight` [out, in, k, k]. */
export class Conv2d extends Module {
  readonly weight: tf.Variable;
  readonly #stride: number;
  readonly #padding: number;
  readonly #isPoint: boolean;

  constructor(inChannels: number, outChannels: number, options: Conv2dOptions, scope: Scope = {}) {
    super(scope);
    const { kernel, stride = 1, padding = 0 } = options;
    this.weight = this.parameter(
      'weight',
      [outChannels, inChannels, kernel, kernel],
      kaimingNormalFanOut,
    );
    this.#stride = stride;
    this.#padding = padding;
    this.#isPoint = kernel === 1 && stride === 1 && padding === 0;
  }

  /** [batch, height, width, in] to [batch, height', width', out], sizes rounded down as PyTorch's. */
  forward(x: tf.Tensor4D): tf.Tensor4D {
    // The other backends make of a 1x1 what suits them; a shader would turn the weight, there and back.
    if (this.#isPoint && hasKernel('PointConv')) return pointConv(x, this.weight as tf.Tensor4D);
    const filter = tf.transpose(this.weight as tf.Tensor4D, [2, 3, 1, 0]); // OIHW to HWIO
    return tf.conv2d(x, filter, this.#stride, this.#padding);
  }
}

/** A convolution of width 1 as a product of matrices: x [batch, height, width, in], weight [out, in, 1, 1]. */
function pointConv(x: tf.Tensor4D, weight: tf.Tensor4D): tf.Tensor4D {
  const [out, inChannels] = weight.shape;
  const rows = tf.reshape<tf.Rank.R2>(x, [-1, inChannels]);
  const w = tf.reshape<tf.Rank.R2>(weight, [out, inChannels]);
  const y = differentiable([rows, w], (save) => {
    save([rows, w]);
    const [value] = runFused('PointConv', { x: rows, w });
    return {
      value: value as tf.Tensor2D,
      gradient: (dy, saved) => {
        const [savedX, savedW] = saved as [tf.Tensor2D, tf.Tensor2D];
        return [tf.matMul(dy, savedW), tf.matMul(dy, savedX, true, false)];
      },
    };
  });
  return tf.reshape(y, [...x.shape.slice(0, 3), out] as tf.Tensor4D['shape']);
}

/** A 1-D convolution of width 3, stride 1 and padding 1, as `torch.nn.Conv1d(in, out, 3, padding=1)`. */
export class Conv1d extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;

  constructor(inChannels: number, outChannels: number, scope: Scope = {}) {
    super(scope);
    const init = defaultUniform(inChannels * 3);
    this.weight = this.parameter('weight', [outChannels, inChannels, 3], init);
    this.bias = this.parameter('bias', [outChannels], init);
  }

  /** [batch, length, in] to [batch, length, out]. */
  forward(x: tf.Tensor3D): tf.Tensor3D {
    const filter = tf.transpose(this.weight as tf.Tensor3D, [2, 1, 0]); // [out, in, 3] to [3, in, out]
    return tf.add(tf.conv1d(x, filter, 1, 'same'), this.bias);
  }
}

/** The largest of each window, as `torch.nn.MaxPool2d`: what lies outside the picture never wins. */
export function maxPool2d(
  x: tf.Tensor4D,
  size: number,
  stride: number,
  padding: number,
): tf.Tensor4D {
  return tf.maxPool(x, size, stride, padding);
}
