import type { TensorInfo } from '@tensorflow/tfjs-core';
import { forEachRow } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';

/** Both of what an attention may lack, as the parts of a shader that are there. */
interface Variant {
  readonly masked: boolean;
  readonly dropped: boolean;
}

function each<T>(make: (variant: Variant) => T): (variant: Variant) => T {
  const made = new Map<string, T>();
  return (variant) => {
    const key = nameOf(variant);
    if (!made.has(key)) made.set(key, make(variant));
    return made.get(key)!;
  };
}

const nameOf = ({ masked, dropped }: Variant): string =>
  `${masked ? ' masked' : ''}${dropped ? ' dropped' : ''}`;

const forward = each(({ masked, dropped }) =>
  forEachRow({
    name: `AttentionSoftmax${nameOf({ masked, dropped })}`,
    inputs: ['scores', ...(masked ? ['mask'] : []), ...(dropped ? ['dropout'] : [])],
    outputs: { probabilities: 'f32', ...(dropped && { weights: 'f32' as const }) },
    numbers: { queries: 'u32', scale: 'f32' }, // rows of one example: heads * queries
    declarations: masked
      ? `fn score(i: u32, row: u32, at: u32, width: u32) -> f32 {
  return scores[i] * numbers.scale + mask[(row / numbers.queries) * width + at];
}`
      : `fn score(i: u32, row: u32, at: u32, width: u32) -> f32 {
  return scores[i] * numbers.scale;
}`,
    code: `
  var most = score(first, work, 0u, width);
  for (var at = lane; at < width; at += LANES) {
    most = max(most, score(first + at, work, at, width));
  }
  most = greatest(most, lane);
  var sum = 0.0;
  for (var at = lane; at < width; at += LANES) {
    sum += exp(score(first + at, work, at, width) - most);
  }
  sum = total(sum, lane);
  for (var at = lane; at < width; at += LANES) {
    let i = first + at;
    let probability = exp(score(i, work, at, width) - most) / sum;
    probabilities[i] = probability;
    ${dropped ? 'weights[i] = probability * dropout[i];' : ''}
  }`,
  }),
);

/**
 * softmax(scores scale + mask) over the last axis of scores [batch, heads, queries, length], with the mask [batch, 1, 1,
 * length]; where factors of dropout are given, also its product with them.
 */
const AttentionSoftmax: Kernel<{ scale: number }> = (inputs, { scale }, backend) => {
  const { scores, mask, dropout } = inputs;
  const { shape } = scores!;
  const dropped = dropout !== undefined;
  return forward({ masked: mask !== undefined, dropped })(backend, {
    inputs: [scores, mask, dropout].filter(isGiven),
    outputs: [floats(shape), ...(dropped ? [floats(shape)] : [])],
    numbers: [shape[1]! * shape[2]!, scale],
  });
};

const backward = each(({ dropped }) =>
  forEachRow({
    name: `AttentionSoftmaxGrad${nameOf({ masked: false, dropped })}`,
    inputs: ['probabilities', 'dy', ...(dropped ? ['dropout'] : [])],
    outputs: { dx: 'f32' },
    numbers: { scale: 'f32' },
    declarations: `fn product(i: u32) -> f32 {
  return probabilities[i] * dy[i]${dropped ? ' * dropout[i]' : ''};
}`,
    code: `
  var sum = 0.0;
  for (var i = first + lane; i < first + width; i += LANES) { sum += product(i); }
  sum = total(sum, lane);
  for (var i = first + lane; i < first + width; i += LANES) {
    dx[i] = (product(i) - probabilities[i] * sum) * numbers.scale;
  }`,
  }),
);

/** The gradient of the scores, from that of the product with dropout's factors where they are given. */
const AttentionSoftmaxGrad: Kernel<{ scale: number }> = (inputs, { scale }, backend) => {
  const { probabilities, dy, dropout } = inputs;
  return backward({ masked: false, dropped: dropout !== undefined })(backend, {
    inputs: [probabilities, dy, dropout].filter(isGiven),
    outputs: [floats(probabilities!.shape)],
    numbers: [scale],
  });
};

const isGiven = (tensor: TensorInfo | undefined): tensor is TensorInfo => tensor !== undefined;

/** Kernels of this library's own attention (src/nn/attention.ts). */
export const attentionKernels: KernelTable = { AttentionSoftmax, AttentionSoftmaxGrad };
