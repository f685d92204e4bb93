import { emitHost } from '../graph.js';
import type { TypedArray } from '../graph.js';
import type { Lowering, LoweringTable } from './lowering.js';

/** The numbers of one update: 1 - rate * decay, rate / (1 - beta1^t), sqrt(1 - beta2^t), and Adam's own. */
interface AdamWAttributes {
  readonly keep: number;
  readonly stepSize: number;
  readonly correction: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/**
 * AdamW's update of one variable, in one pass over its elements and in place where nothing else reads them:
 * returns the variable and both moments. The numbers change with each step, so they are no part of a program.
 */
const AdamW: Lowering<AdamWAttributes> = ({ variable, gradient, expAvg, expAvgSq }, attributes) => {
  const inputs = [variable!, gradient!, expAvg!, expAvgSq!];
  const output = { shape: variable!.shape, dtype: 'float32' } as const;
  return emitHost(
    'AdamW',
    inputs,
    [output, output, output],
    ([p, g, m, v], [pSpent, , mSpent, vSpent]) => {
      const outputs = [
        writable(p!, pSpent!),
        writable(m!, mSpent!),
        writable(v!, vSpent!),
      ] as const;
      adamW(...outputs, g as Float32Array, attributes);
      return outputs;
    },
  );
};

const writable = (data: TypedArray, spent: boolean): Float32Array =>
  spent ? (data as Float32Array) : (data as Float32Array).slice();

function adamW(
  p: Float32Array,
  m: Float32Array,
  v: Float32Array,
  g: Float32Array,
  { keep, stepSize, correction, beta1, beta2, epsilon }: AdamWAttributes,
): void {
  const gain1 = 1 - beta1;
  const gain2 = 1 - beta2;
  // m / (sqrt(v) / correction + epsilon), with one division less.
  const step = stepSize * correction;
  const floor = epsilon * correction;
  for (let i = 0; i < p.length; i++) {
    const gi = g[i]!;
    const mi = m[i]! + (gi - m[i]!) * gain1;
    const vi = v[i]! * beta2 + gi * gi * gain2;
    m[i] = mi;
    v[i] = vi;
    p[i] = p[i]! * keep - (step * mi) / (Math.sqrt(vi) + floor);
  }
}

/** Kernels that update parameters. */
export const optimizerKernels: LoweringTable = { AdamW };
