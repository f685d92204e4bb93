import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from './backend.js';
import { drawFactor, drawNumbers, numbersOfDraw } from './dropout.js';
import type { Draw } from './dropout.js';
import { forEachRow, reduction } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';
import { runShader } from './shader.js';
import type { Shader } from './shader.js';

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

// The whole attention of several heads reads q, k and v as they come, [batch, length, heads * dim], so that nothing is
// turned, in one dispatch forward and two backward. Each row of probabilities is a workgroup's, which reads all keys and
// values for it: where there are many keys, products of matrices by tiles read less.

const geometry = { rows: 'u32', heads: 'u32', queries: 'u32', keys: 'u32', dim: 'u32' } as const;

/** Where the head of row `work` of a grid of `length` rows an example begins in its own and in the other tensors. */
const places = (mine: 'queries' | 'keys', theirs: 'queries' | 'keys'): string => `
  if (work >= numbers.rows) { return; }
  let example = work / (numbers.${mine} * numbers.heads);
  let head = work / numbers.${mine} % numbers.heads;
  let width = numbers.heads * numbers.dim;
  let mine = (example * numbers.${mine} + work % numbers.${mine}) * width + head * numbers.dim;
  let theirs = example * numbers.${theirs} * width + head * numbers.dim;`;

const wholeForward = each(({ masked, dropped }): Shader => ({
  name: `Attention${nameOf({ masked, dropped })}`,
  inputs: ['q', 'k', 'v', ...(masked ? ['mask'] : [])],
  outputs: { y: 'f32', probabilities: 'f32' },
  numbers: { ...geometry, scale: 'f32', ...drawNumbers },
  lanes: 64,
  declarations: `${reduction('total', 'a + b')}${reduction('greatest', 'max(a, b)')}${drawFactor}`,
  code: `${places('queries', 'keys')}
  let row = work * numbers.keys;
  var most = -0x1.fffffep+127f;
  for (var at = lane; at < numbers.keys; at += LANES) {
    var score = 0.0;
    for (var d = 0u; d < numbers.dim; d++) { score += q[mine + d] * k[theirs + at * width + d]; }
    score = score * numbers.scale${masked ? ' + mask[example * numbers.keys + at]' : ''};
    probabilities[row + at] = score;
    most = max(most, score);
  }
  most = greatest(most, lane);
  var sum = 0.0;
  for (var at = lane; at < numbers.keys; at += LANES) {
    let part = exp(probabilities[row + at] - most);
    probabilities[row + at] = part;
    sum += part;
  }
  sum = total(sum, lane);
  for (var at = lane; at < numbers.keys; at += LANES) { probabilities[row + at] /= sum; }
  storageBarrier(); // from here on each lane reads what the others wrote
  for (var d = lane; d < numbers.dim; d += LANES) {
    var value = 0.0;
    for (var at = 0u; at < numbers.keys; at++) {
      let weight = probabilities[row + at]${dropped ? ' * drawFactor(row + at)' : ''};
      value += weight * v[theirs + at * width + d];
    }
    y[mine + d] = value;
  }`,
}));

interface AttentionAttributes extends Draw {
  readonly heads: number;
  readonly scale: number;
}

/**
 * softmax(q kT scale + mask) v of each head: q [batch, queries, heads * dim], k and v [batch, keys, heads * dim]; the
 * result, shaped as q, and the probabilities [batch, heads, queries, keys] before dropout.
 */
const Attention: Kernel<AttentionAttributes> = (inputs, attributes, backend) => {
  const { q, k, v, mask } = inputs;
  const [batch, queries] = q!.shape as [number, number];
  const { heads, threshold } = attributes;
  const shader = wholeForward({ masked: mask !== undefined, dropped: threshold > 0 });
  return runShader(backend, shader, {
    inputs: [q, k, v, mask].filter(isGiven),
    outputs: [floats(q!.shape), floats([batch, heads, queries, k!.shape[1]!])],
    ...numbersOf(q!, k!, attributes, queries),
  });
};

/** The numbers of a dispatch, and its workgroups: one for each of `rows` of each head of each example. */
function numbersOf(
  q: TensorInfo,
  k: TensorInfo,
  attributes: AttentionAttributes,
  each: number,
): { numbers: number[]; workgroups: number } {
  const [batch, queries, width] = q.shape as [number, number, number];
  const { heads, scale } = attributes;
  const rows = batch * heads * each;
  const numbers = [rows, heads, queries, k.shape[1]!, width / heads, scale];
  return { numbers: [...numbers, ...numbersOfDraw(attributes)], workgroups: rows };
}

const queryGradient = each(({ dropped }): Shader => ({
  name: `AttentionGrad q${nameOf({ masked: false, dropped })}`,
  inputs: ['dy', 'k', 'v', 'probabilities'],
  outputs: { dScores: 'f32', dq: 'f32' },
  numbers: { ...geometry, scale: 'f32', ...drawNumbers },
  lanes: 64,
  declarations: `${reduction('total', 'a + b')}${drawFactor}`,
  code: `${places('queries', 'keys')}
  let row = work * numbers.keys;
  var sum = 0.0;
  for (var at = lane; at < numbers.keys; at += LANES) {
    var product = 0.0;
    for (var d = 0u; d < numbers.dim; d++) { product += dy[mine + d] * v[theirs + at * width + d]; }
    product *= probabilities[row + at]${dropped ? ' * drawFactor(row + at)' : ''};
    dScores[row + at] = product;
    sum += product;
  }
  sum = total(sum, lane);
  for (var at = lane; at < numbers.keys; at += LANES) {
    let i = row + at;
    dScores[i] = (dScores[i] - probabilities[i] * sum) * numbers.scale;
  }
  storageBarrier();
  for (var d = lane; d < numbers.dim; d += LANES) {
    var slope = 0.0;
    for (var at = 0u; at < numbers.keys; at++) { slope += dScores[row + at] * k[theirs + at * width + d]; }
    dq[mine + d] = slope;
  }`,
}));

const keyGradient = each(({ dropped }): Shader => ({
  name: `AttentionGrad kv${nameOf({ masked: false, dropped })}`,
  inputs: ['dy', 'q', 'probabilities', 'dScores'],
  outputs: { dk: 'f32', dv: 'f32' },
  numbers: { ...geometry, scale: 'f32', ...drawNumbers },
  lanes: 64,
  declarations: drawFactor,
  code: `${places('keys', 'queries')}
  let first = (example * numbers.heads + head) * numbers.queries * numbers.keys + work % numbers.keys;
  for (var d = lane; d < numbers.dim; d += LANES) {
    var key = 0.0;
    var value = 0.0;
    for (var query = 0u; query < numbers.queries; query++) {
      let i = first + query * numbers.keys;
      let other = theirs + query * width + d;
      key += dScores[i] * q[other];
      value += probabilities[i]${dropped ? ' * drawFactor(i)' : ''} * dy[other];
    }
    dk[mine + d] = key;
    dv[mine + d] = value;
  }`,
}));

/** The gradients of q, k and v. */
const AttentionGrad: Kernel<AttentionAttributes> = (inputs, attributes, backend) => {
  const [dScores, dq] = gradientOfQueries(inputs, attributes, backend);
  const { dy, q, k, probabilities } = inputs;
  const [dk, dv] = runShader(backend, keyGradient(variantOf(attributes)), {
    inputs: [dy!, q!, probabilities!, dScores!],
    outputs: [floats(k!.shape), floats(k!.shape)],
    ...numbersOf(q!, k!, attributes, k!.shape[1]!),
  });
  backend.disposeData(dScores!.dataId);
  return [dq!, dk!, dv!];
};

function gradientOfQueries(
  { dy, q, k, v, probabilities }: Readonly<Record<string, TensorInfo>>,
  attributes: AttentionAttributes,
  backend: WebGpuBackend,
): TensorInfo[] {
  return runShader(backend, queryGradient(variantOf(attributes)), {
    inputs: [dy!, k!, v!, probabilities!],
    outputs: [floats(probabilities!.shape), floats(q!.shape)],
    ...numbersOf(q!, k!, attributes, q!.shape[1]!),
  });
}

const variantOf = ({ threshold }: Draw): Variant => ({ masked: false, dropped: threshold > 0 });

/** Kernels of this library's own attention (src/nn/attention.ts). */
export const attentionKernels: KernelTable = {
  Attention,
  AttentionGrad,
  AttentionSoftmax,
  AttentionSoftmaxGrad,
};
