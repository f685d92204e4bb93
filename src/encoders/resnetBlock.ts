import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../nn/activations.js';
import { checkpoint } from '../nn/checkpoint.js';
import { Conv2d } from '../nn/conv.js';
import type { Conv2dOptions } from '../nn/conv.js';
import type { ForwardContext } from '../nn/dropout.js';
import { Module } from '../nn/module.js';
import type { Scope } from '../nn/module.js';
import { BatchNorm2d } from '../nn/norm.js';
import type { ResNetConfig } from './resnetConfig.js';

/**
 * A residual block: two 3x3 convolutions (basic), or a 1x1, a 3x3 and a 1x1 around a quarter of the
 * channels (bottleneck), each with its BatchNorm; where the shape changes, the input passes a 1x1 too.
 */
export class ResNetBlock extends Module {
  readonly convolutions: readonly ConvNorm[];
  readonly downsample?: ConvNorm;

  constructor(
    inChannels: number,
    outChannels: number,
    stride: number,
    readonly config: ResNetConfig,
    scope: Scope = {},
  ) {
    super(scope);
    const path =
      config.layerType === 'basic'
        ? basicPath(inChannels, outChannels, stride)
        : bottleneckPath(inChannels, outChannels, stride, config.downsampleInBottleneck);
    this.convolutions = path.map((step, i) => this.#convNorm(`conv${i + 1}`, `bn${i + 1}`, step));
    if (stride !== 1 || inChannels !== outChannels) {
      const step = { from: inChannels, to: outChannels, kernel: 1, stride };
      this.downsample = this.#convNorm('downsample.0', 'downsample.1', step);
    }
  }

  /** [batch, height, width, in] to [batch, height / stride, width / stride, out]. */
  forward(x: tf.Tensor4D, context: ForwardContext): tf.Tensor4D {
    const last = this.convolutions.at(-1)!;
    const middle = this.convolutions
      .slice(0, -1)
      .reduce((y, { conv, norm }) => norm.forwardRelu(conv.forward(y), context), x);
    const shortcut = this.downsample === undefined ? x : plain(x, this.downsample, context);
    if (this.config.hiddenAct === 'relu') {
      return last.norm.forwardRelu(last.conv.forward(middle), context, shortcut);
    }
    const sum: tf.Tensor4D = tf.add(plain(middle, last, context), shortcut);
    return activation('resnet', this.config.hiddenAct)(sum);
  }

  /** As `forward`; with gradient checkpointing the backward pass computes it again. */
  run(x: tf.Tensor4D, context: ForwardContext): tf.Tensor4D {
    return checkpoint(([y], inner) => this.forward(y as tf.Tensor4D, inner), [x], [this], context);
  }

  #convNorm(conv: string, norm: string, { from, to, ...options }: Step): ConvNorm {
    return {
      conv: this.child(conv, (inner) => new Conv2d(from, to, options, inner)),
      norm: this.child(norm, (inner) => new BatchNorm2d(to, inner)),
    };
  }
}

function plain(x: tf.Tensor4D, { conv, norm }: ConvNorm, context: ForwardContext): tf.Tensor4D {
  return norm.forward(conv.forward(x), context);
}

interface ConvNorm {
  readonly conv: Conv2d;
  readonly norm: BatchNorm2d;
}

interface Step extends Conv2dOptions {
  readonly from: number;
  readonly to: number;
}

function basicPath(from: number, to: number, stride: number): Step[] {
  return [
    { from, to, kernel: 3, stride, padding: 1 },
    { from: to, to, kernel: 3, padding: 1 },
  ];
}

function bottleneckPath(from: number, to: number, stride: number, strideFirst: boolean): Step[] {
  const narrow = Math.floor(to / 4);
  return [
    { from, to: narrow, kernel: 1, stride: strideFirst ? stride : 1 },
    { from: narrow, to: narrow, kernel: 3, stride: strideFirst ? 1 : stride, padding: 1 },
    { from: narrow, to, kernel: 1 },
  ];
}
