import { backend_util, util } from '@tensorflow/tfjs-core';
import { emit } from '../graph.js';
import type { Value } from '../graph.js';
import { broadcastShape, elementwise, reshape, transpose } from '../layout.js';
import { add, clip, leakyRelu, numeric, prelu } from './elementwise.js';
import type { KernelInputs, Lowering, LoweringTable } from './lowering.js';

/** The product of the last two axes; the leading ones broadcast. Transposes cost nothing. */
export function matMul(a: Value, b: Value, transposeA = false, transposeB = false): Value {
  const batch = broadcastShape([a.shape.slice(0, -2), b.shape.slice(0, -2), []]);
  const rows = a.shape[a.shape.length - (transposeA ? 1 : 2)]!;
  const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)]!;
  const output = { shape: [...batch, rows, columns], dtype: a.dtype };
  if (!transposeA && !transposeB) return emit('MatMul', [a, b], output);
  if (a.dtype !== 'float32') {
    return emit('MatMul', [transposeA ? turned(a) : a, transposeB ? turned(b) : b], output);
  }
  const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
  return emit('FusedMatMul', [a, b], output, attributes, 'com.microsoft');
}

/** A value with its last two axes exchanged. */
export function turned(value: Value): Value {
  const rank = value.shape.length;
  const leading = value.shape.slice(0, -2).map((_, axis) => axis);
  return transpose(value, [...leading, rank - 1, rank - 2]);
}

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** TensorFlow.js makes every product one of rank three; a batch of one is computed as the matrix that it is. */
export const batchMatMul =
  (multiply: typeof matMul): Lowering<MatMulAttributes> =>
  (inputs, { transposeA, transposeB }) => {
    const [a, b] = [numeric(inputs['a']!), numeric(inputs['b']!)];
    const inner = [a.shape.at(transposeA ? -2 : -1), b.shape.at(transposeB ? -1 : -2)];
    util.assert(
      inner[0] === inner[1] && inner[0] !== undefined,
      () => `matMul: inner sizes must be equal, got [${a.shape}] and [${b.shape}]`,
    );
    const shape = [...broadcastShape([a.shape.slice(0, -2), b.shape.slice(0, -2), []])];
    const product = multiply(withoutBatch(a), withoutBatch(b), transposeA, transposeB);
    return reshape(product, [...shape, ...product.shape.slice(-2)]);
  };

const BatchMatMul = batchMatMul(matMul);

function withoutBatch(value: Value): Value {
  const batch = value.shape.slice(0, -2);
  return batch.length > 0 && batch.every((size) => size === 1)
    ? reshape(value, value.shape.slice(-2))
    : value;
}

const activations: Readonly<Record<string, string>> = {
  relu: 'Relu',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
};

/** What TensorFlow.js says of a fused kernel's activation. */
export interface FusedAttributes {
  readonly activation?: string;
  readonly leakyreluAlpha?: number;
  readonly dataFormat?: 'NHWC' | 'NCHW';
}

/** Finishes a fused kernel with the bias and the weights of PReLU that are among its inputs. */
export function finishFused(
  value: Value,
  { bias, preluActivationWeights }: KernelInputs,
  { activation, leakyreluAlpha = 0.2, dataFormat = 'NHWC' }: FusedAttributes,
): Value {
  const aligned = dataFormat === 'NCHW' ? alongRows : (vector: Value) => vector;
  const summand = bias === undefined ? undefined : aligned(bias);
  if (activation === 'prelu')
    return prelu(finish(value, summand, undefined), aligned(preluActivationWeights!));
  if (activation === 'leakyrelu')
    return leakyRelu(finish(value, summand, undefined), leakyreluAlpha);
  return finish(value, summand, activation);
}

/** A vector of channels, where the channels are the third axis from the end. */
function alongRows(vector: Value): Value {
  return vector.shape.length === 1 ? reshape(vector, [vector.shape[0]!, 1, 1]) : vector;
}

/** Adds a bias and applies an activation, as TensorFlow.js's fused kernels ask. */
export function finish(
  value: Value,
  bias: Value | undefined,
  activation: string | undefined,
): Value {
  const sum = bias === undefined ? value : add(value, bias);
  if (activation === undefined || activation === 'linear') return sum;
  if (activation === 'relu6') return clip(sum, 0, 6);
  const op = activations[activation];
  if (op === undefined)
    throw new Error(`onnxruntime: no fused activation ${activation}; apply it by itself`);
  return elementwise(op, [sum]);
}

const FusedMatMul: Lowering<MatMulAttributes & FusedAttributes> = (inputs, attributes) =>
  finishFused(BatchMatMul(inputs, attributes) as Value, inputs, attributes);

/** A product and a sum over named axes; TensorFlow.js and ONNX write the equation alike. */
const Einsum: Lowering<{ equation: string }> = (inputs, { equation }) => {
  const values = Object.values(inputs);
  const { allDims, idDims } = backend_util.decodeEinsumEquation(equation, values.length);
  backend_util.checkEinsumDimSizes(allDims.length, idDims, values as never);
  const sizes = new Map<string, number>();
  const [terms, output] = equation.replaceAll(/\s/g, '').split('->') as [string, string];
  terms.split(',').forEach((term, i) => {
    [...term].forEach((name, axis) => sizes.set(name, values[i]!.shape[axis]!));
  });
  const shape = [...output].map((name) => sizes.get(name)!);
  return emit('Einsum', values, { shape, dtype: values[0]!.dtype }, { equation });
};

/** Kernels that multiply matrices. */
export const matrixKernels: LoweringTable = { BatchMatMul, Einsum, _FusedMatMul: FusedMatMul };
