import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { relu, reluGradient } from './activations.js';
import { dropout, dropoutDraw } from './dropout.js';
import type { DropoutDraw, ForwardContext } from './dropout.js';
import { constant } from './initializers.js';
import { Module } from './module.js';
import type { Scope } from './module.js';
import { differentiable, fused, hasKernel, leadingAxes, runFused } from './ops.js';

/** Layer normalisation over the last axis (Ba et al. 2016): parameters `weight`, `bias` [features]. */
export class LayerNorm extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;

  constructor(
    features: number,
    readonly epsilon: number,
    scope: Scope = {},
  ) {
    super(scope);
    this.weight = this.parameter('weight', [features], constant(1));
    this.bias = this.parameter('bias', [features], constant(0));
  }

  /** The same shape, each row of the last axis with mean 0 and variance 1, then scaled and shifted. */
  forward<T extends tf.Tensor>(x: T): T {
    return layerNorm(x, this.weight as tf.Tensor1D, this.bias as tf.Tensor1D, this.epsilon);
  }

  /** The norm of dropout(x) + residual, which are of one shape. */
  forwardResidual<T extends tf.Tensor>(
    x: T,
    residual: T,
    rate: number,
    context: ForwardContext,
  ): T {
    if (!hasKernel('ResidualNorm')) {
      return this.forward(tf.add<T>(dropout(x, rate, context), residual));
    }
    const { weight: gamma, bias: beta, epsilon } = this;
    const draw = dropoutDraw(rate, context);
    return differentiable([x, residual, gamma, beta], (save) => {
      const inputs = { x, residual, gamma, beta };
      const [y, sum, mean, inverse] = runFused('ResidualNorm', inputs, { epsilon, ...draw });
      save([sum!, gamma, mean!, inverse!]);
      return { value: y as T, gradient: (dy, saved) => residualNormGradient(dy, saved, draw) };
    });
  }
}

/** The gradients of x, the residual, gamma and beta. */
function residualNormGradient(
  dy: tf.Tensor,
  saved: readonly tf.Tensor[],
  draw: DropoutDraw,
): tf.Tensor[] {
  const [x, gamma, mean, inverseDeviation] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  return runFused('ResidualNormGrad', { dy, x, gamma, mean, inverseDeviation }, draw);
}

/** (x - mean) / sqrt(variance + epsilon) * gamma + beta, over the last axis. */
export function layerNorm<T extends tf.Tensor>(
  x: T,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
): T {
  return differentiable([x, gamma, beta], (save) => {
    const [y, mean, inverseDeviation] = fused('LayerNorm', { x, gamma, beta }, { epsilon }, () =>
      composeLayerNorm(x, gamma, beta, epsilon),
    );
    save([x, gamma, mean!, inverseDeviation!]);
    return { value: y as T, gradient: layerNormGradient };
  });
}

function composeLayerNorm(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  epsilon: number,
): tf.Tensor[] {
  const mean = tf.mean(x, -1, true); // [..., 1]
  const centred = tf.sub(x, mean);
  const inverseDeviation = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
  const y = tf.add(tf.mul(tf.mul(centred, inverseDeviation), gamma), beta);
  return [y, mean, inverseDeviation];
}

function layerNormGradient(dy: tf.Tensor, saved: readonly tf.Tensor[]): tf.Tensor[] {
  const [x, gamma, mean, inverseDeviation] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const inputs = { dy, x, gamma, mean, inverseDeviation };
  return fused('LayerNormGrad', inputs, {}, () => composeLayerNormGradient(inputs));
}

function composeLayerNormGradient({
  dy,
  x,
  gamma,
  mean,
  inverseDeviation,
}: Record<'dy' | 'x' | 'gamma' | 'mean' | 'inverseDeviation', tf.Tensor>): tf.Tensor[] {
  const normalised = tf.mul(tf.sub(x, mean), inverseDeviation);
  const scaled = tf.mul(dy, gamma);
  const alongMean = tf.mean(scaled, -1, true);
  const alongX = tf.mean(tf.mul(scaled, normalised), -1, true);
  const dx = tf.mul(
    tf.sub(tf.sub(scaled, alongMean), tf.mul(normalised, alongX)),
    inverseDeviation,
  );
  const rows = leadingAxes(x);
  return [dx, tf.sum(tf.mul(dy, normalised), rows), tf.sum(dy, rows)];
}

/**
 * Batch normalisation of NHWC maps (Ioffe and Szegedy 2015), as `torch.nn.BatchNorm2d`: parameters
 * `weight`, `bias`, buffers `running_mean`, `running_var` [channels], momentum .1, epsilon 1e-5.
 *
 * In training it normalises with the biased variance of the batch and moves the running variance towards
 * the unbiased one; in evaluation it uses the running statistics.
 */
export class BatchNorm2d extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;
  readonly runningMean: tf.Variable;
  readonly runningVariance: tf.Variable;
  readonly momentum = 0.1;
  readonly epsilon = 1e-5;

  constructor(channels: number, scope: Scope = {}) {
    super(scope);
    this.weight = this.parameter('weight', [channels], constant(1));
    this.bias = this.parameter('bias', [channels], constant(0));
    this.runningMean = this.buffer('running_mean', [channels], 0);
    this.runningVariance = this.buffer('running_var', [channels], 1);
  }

  /**
   * The same shape; in training the running statistics move, unless the layer is frozen: then it evaluates.
   *
   * @throws InputError in training where a channel has a single value, whose variance is undefined, unless the context
   * says that the running statistics serve (`singleValues`).
   */
  forward(x: tf.Tensor4D, context: ForwardContext): tf.Tensor4D {
    return this.#trains(x, context)
      ? this.#train(x, context.recomputing !== true)
      : this.#evaluate(x);
  }

  /** relu(norm(x) + shortcut). @throws as `forward` */
  forwardRelu(x: tf.Tensor4D, context: ForwardContext, shortcut?: tf.Tensor4D): tf.Tensor4D {
    if (!hasKernel('BatchNormRelu')) {
      const y = this.forward(x, context);
      return relu(shortcut === undefined ? y : tf.add(y, shortcut));
    }
    if (!this.#trains(x, context)) return this.#evaluateRelu(x, shortcut);
    const record = context.recomputing !== true;
    return this.#train(x, record, (...given) => batchNormRelu(shortcut, ...given));
  }

  /** Whether x is normalised by its own statistics. */
  #trains(x: tf.Tensor4D, { training, singleValues = 'refuse' }: ForwardContext): boolean {
    if (!training || this.frozen) return false;
    if (x.size > x.shape[3]) return true;
    if (singleValues === 'running') return false;
    throw new InputError(
      `BatchNorm2d: training needs more than 1 value per channel, got [${x.shape.join(', ')}]; ` +
        "use a larger batch or picture, freeze the encoder, or pass singleValues: 'running'",
    );
  }

  #train(x: tf.Tensor4D, record: boolean, normalise = batchNorm<tf.Tensor4D>): tf.Tensor4D {
    const count = x.size / x.shape[3];
    const gamma = this.weight as tf.Tensor1D;
    return normalise(x, gamma, this.bias as tf.Tensor1D, this.epsilon, (mean, variance) => {
      if (record) this.#move(mean, variance, count / (count - 1));
    });
  }

  /** @param unbiased what the observed variance is multiplied by */
  #move(mean: tf.Tensor, variance: tf.Tensor, unbiased: number): void {
    const { runningMean, runningVariance, momentum } = this;
    const inputs = { runningMean, mean, runningVariance, variance };
    const [movedMean, movedVariance] = fused(
      'MovingAverages',
      inputs,
      { momentum, unbiased },
      () => {
        const move = (running: tf.Tensor, observed: tf.Tensor): tf.Tensor =>
          tf.add(tf.mul(running, 1 - momentum), tf.mul(observed, momentum));
        return [move(runningMean, mean), move(runningVariance, tf.mul(variance, unbiased))];
      },
    );
    runningMean.assign(movedMean!);
    runningVariance.assign(movedVariance!);
  }

  #evaluate(x: tf.Tensor4D): tf.Tensor4D {
    const { weight, bias, runningMean: mean, runningVariance: variance, epsilon } = this;
    return differentiable([x, weight, bias], (save) => {
      const inputs = { x, weight, bias, mean, variance };
      const [y] = fused('BatchNormInference', inputs, { epsilon }, () => {
        const scale = tf.mul(weight, tf.rsqrt(tf.add(variance, epsilon)));
        const shift = tf.sub(bias, tf.mul(mean, scale));
        return [tf.add(tf.mul(x, scale), shift)];
      });
      save([x, weight, mean, variance]);
      return {
        value: y as tf.Tensor4D,
        gradient: (dy, saved) => inferenceGradient(dy, saved, epsilon),
      };
    });
  }

  #evaluateRelu(x: tf.Tensor4D, shortcut: tf.Tensor4D | undefined): tf.Tensor4D {
    const { weight, bias, runningMean: mean, runningVariance: variance, epsilon } = this;
    const added: Record<string, tf.Tensor4D> = shortcut === undefined ? {} : { shortcut };
    return differentiable([x, weight, bias, ...Object.values(added)], (save) => {
      const inputs = { x, weight, bias, mean, variance, ...added };
      const [y] = runFused('BatchNormInferenceRelu', inputs, { epsilon });
      save([x, weight, mean, variance, y!]);
      return {
        value: y as tf.Tensor4D,
        gradient: (dy, saved) => {
          const passed = reluGradient(dy, saved.at(-1)!);
          const gradients = inferenceGradient(passed, saved, epsilon);
          return 'shortcut' in added ? [...gradients, passed] : gradients;
        },
      };
    });
  }
}

/** The running statistics are constants: each channel is scaled and shifted. */
function inferenceGradient(
  dy: tf.Tensor,
  saved: readonly tf.Tensor[],
  epsilon: number,
): tf.Tensor[] {
  const [x, weight, mean, variance] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const rows = leadingAxes(x);
  const inverseDeviation = tf.rsqrt(tf.add(variance, epsilon));
  const dWeight = tf.mul(tf.sum(tf.mul(dy, tf.sub(x, mean)), rows), inverseDeviation);
  return [tf.mul(dy, tf.mul(weight, inverseDeviation)), dWeight, tf.sum(dy, rows)];
}

/**
 * Normalises each channel of a batch by its own mean and biased variance; `observe` sees both, which
 * live no longer than its call.
 */
export function batchNorm<T extends tf.Tensor4D>(
  x: T,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
  observe: (mean: tf.Tensor1D, variance: tf.Tensor1D) => void,
): T {
  return differentiable([x, gamma, beta], (save) => {
    const [y, centred, mean, variance, inverseDeviation] = fused(
      'BatchNorm',
      { x, gamma, beta },
      { epsilon },
      () => composeBatchNorm(x, gamma, beta, epsilon),
    );
    observe(mean as tf.Tensor1D, variance as tf.Tensor1D);
    save([centred!, gamma, inverseDeviation!]);
    return { value: y as T, gradient: batchNormGradient };
  });
}

/** relu(batchNorm(x) + shortcut) on a backend that has a kernel for it. */
function batchNormRelu(
  shortcut: tf.Tensor4D | undefined,
  ...[x, gamma, beta, epsilon, observe]: Parameters<typeof batchNorm<tf.Tensor4D>>
): tf.Tensor4D {
  const inputs = { x, gamma, beta, ...(shortcut && { shortcut }) };
  const added = shortcut !== undefined;
  return differentiable(Object.values(inputs), (save) => {
    const [y, centred, mean, variance, inverse] = runFused('BatchNormRelu', inputs, { epsilon });
    observe(mean as tf.Tensor1D, variance as tf.Tensor1D);
    save([centred!, gamma, inverse!, y!]);
    return {
      value: y as tf.Tensor4D,
      gradient: (dy, saved) => batchNormReluGradient(dy, saved, added),
    };
  });
}

/** The gradients of x, gamma and beta, and of the shortcut where one was added. */
function batchNormReluGradient(
  dy: tf.Tensor,
  saved: readonly tf.Tensor[],
  added: boolean,
): tf.Tensor[] {
  const [centred, gamma, inverseDeviation, y] = saved as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  if (!added) return runFused('BatchNormReluGrad', { dy, y, centred, gamma, inverseDeviation });
  const passed = reluGradient(dy, y);
  return [...batchNormGradient(passed, saved), passed];
}

function composeBatchNorm(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  epsilon: number,
): tf.Tensor[] {
  const rows = leadingAxes(x);
  const mean = tf.mean(x, rows); // [channels]
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), rows);
  const inverseDeviation = tf.rsqrt(tf.add(variance, epsilon));
  const y = tf.add(tf.mul(centred, tf.mul(inverseDeviation, gamma)), beta);
  return [y, centred, mean, variance, inverseDeviation];
}

function batchNormGradient(dy: tf.Tensor, saved: readonly tf.Tensor[]): tf.Tensor[] {
  const [centred, gamma, inverseDeviation] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
  const inputs = { dy, centred, gamma, inverseDeviation };
  return fused('BatchNormGrad', inputs, {}, () => composeBatchNormGradient(inputs));
}

// dx = s (dy - mean(dy) - xhat mean(dy xhat)), gathered as s dy + b (x - mean) + c with b and c per channel.
function composeBatchNormGradient({
  dy,
  centred,
  gamma,
  inverseDeviation,
}: Record<'dy' | 'centred' | 'gamma' | 'inverseDeviation', tf.Tensor>): tf.Tensor[] {
  const rows = leadingAxes(centred);
  const share = -gamma.size / centred.size;
  const scale = tf.mul(gamma, inverseDeviation);
  const dBeta = tf.sum(dy, rows);
  const dGamma = tf.mul(tf.sum(tf.mul(dy, centred), rows), inverseDeviation);
  const b = tf.mul(tf.mul(tf.mul(scale, inverseDeviation), dGamma), share);
  const c = tf.mul(tf.mul(scale, dBeta), share);
  return [tf.add(tf.add(tf.mul(dy, scale), tf.mul(centred, b)), c), dGamma, dBeta];
}
