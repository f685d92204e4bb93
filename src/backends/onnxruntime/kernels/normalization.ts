import { emit, emitMany, scalar } from '../graph.js';
import type { Value } from '../graph.js';
import { elementwise, reshape, transpose } from '../layout.js';
import { add, divide, multiply, subtract } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';

const FusedBatchNorm: Lowering<{ varianceEpsilon: number }> = (inputs, { varianceEpsilon }) => {
  const { x, mean, variance, offset, scale } = inputs;
  const deviation = elementwise('Sqrt', [add(variance, scalar(varianceEpsilon))]);
  const factor =
    scale === undefined ? elementwise('Reciprocal', [deviation]) : divide(scale, deviation);
  const y = multiply(subtract(x, mean), factor);
  return offset === undefined ? y : add(y, offset);
};

const softmax =
  (op: string, input: string, axisName: string): Lowering =>
  (inputs, attributes: Record<string, number>) => {
    const x = inputs[input]!;
    return alongLast(x, attributes[axisName]!, (rows) =>
      emit(op, [rows], { shape: rows.shape, dtype: 'float32' }, { axis: rows.shape.length - 1 }),
    );
  };

/** Computes along an axis as if it were the last. */
function alongLast(x: Value, axis: number, compute: (x: Value) => Value): Value {
  const last = x.shape.length - 1;
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (x.shape.length === 0) return reshape(compute(reshape(x, [1])), []);
  if (at === last) return compute(x);
  const perm = x.shape.map((_, i) => (i === at ? last : i === last ? at : i));
  return transpose(compute(transpose(x, perm)), perm);
}

/** x [..., features]: the normalised value, and the mean and 1 / deviation that the gradient needs. */
const LayerNorm: Lowering<{ epsilon: number }> = ({ x, gamma, beta }, { epsilon }) => {
  const statistics = { shape: [...x!.shape.slice(0, -1), 1], dtype: 'float32' } as const;
  const outputs = [{ shape: x!.shape, dtype: 'float32' }, statistics, statistics] as const;
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return emitMany('LayerNormalization', [x, gamma, beta], outputs, attributes);
};

const Gelu: Lowering<{ approximate: 'none' | 'tanh' }> = ({ x }, { approximate }) =>
  approximate === 'none'
    ? elementwise('Gelu', [x], 'float32', {}, 'com.microsoft')
    : elementwise('Gelu', [x], 'float32', { approximate });

const GeluGrad: Lowering<{ approximate: 'none' | 'tanh' }> = ({ x, dy }, { approximate }) =>
  multiply(dy, approximate === 'none' ? exactSlope(x!) : tanhSlope(x!));

/** Phi(x) + x phi(x), with the normal distribution's Phi and its density phi. */
function exactSlope(x: Value): Value {
  const erf = elementwise('Erf', [multiply(x, scalar(Math.SQRT1_2))]);
  const cumulative = multiply(add(erf, scalar(1)), scalar(0.5));
  const exponential = elementwise('Exp', [multiply(multiply(x, x), scalar(-0.5))]);
  const density = multiply(exponential, scalar(1 / Math.sqrt(2 * Math.PI)));
  return add(cumulative, multiply(x, density));
}

/** The slope of x / 2 (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3). */
function tanhSlope(x: Value): Value {
  const factor = Math.sqrt(2 / Math.PI);
  const square = multiply(x, x);
  const u = multiply(x, add(multiply(square, scalar(0.044715 * factor)), scalar(factor)));
  const t = elementwise('Tanh', [u]);
  const slope = add(multiply(square, scalar(3 * 0.044715 * factor)), scalar(factor));
  const curve = multiply(multiply(x, subtract(scalar(1), multiply(t, t))), slope);
  return multiply(add(add(t, curve), scalar(1)), scalar(0.5));
}

/** HardSigmoid this steep is 0 or 1: one pass, where a comparison and a choice by it are many. */
const STEEP = { alpha: { float: 3e38 }, beta: { float: 0 } } as const;

const ReluGrad: Lowering = ({ dy, y }) =>
  multiply(dy, elementwise('HardSigmoid', [y], 'float32', STEEP));

/** Kernels that normalise, and those of this library's own operators (src/nn/ops.ts). */
export const normalizationKernels: LoweringTable = {
  FusedBatchNorm,
  Gelu,
  GeluGrad,
  LayerNorm,
  LogSoftmax: softmax('LogSoftmax', 'logits', 'axis'),
  ReluGrad,
  Softmax: softmax('Softmax', 'logits', 'dim'),
};
