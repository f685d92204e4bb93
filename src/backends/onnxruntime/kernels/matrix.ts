import { emit } from '../graph.js';
import type { Value } from '../graph.js';
import { broadcastShape, elementwise, reshape } from '../layout.js';
import { add } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';

/** The product of the last two axes; the leading ones broadcast. Transposes cost nothing. */
export function matMul(a: Value, b: Value, transposeA = false, transposeB = false): Value {
  const batch = broadcastShape([a.shape.slice(0, -2), b.shape.slice(0, -2), []]);
  const rows = a.shape[a.shape.length - (transposeA ? 1 : 2)]!;
  const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)]!;
  const output = { shape: [...batch, rows, columns], dtype: a.dtype };
  if (!transposeA && !transposeB) return emit('MatMul', [a, b], output);
  const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
  return emit('FusedMatMul', [a, b], output, attributes, 'com.microsoft');
}

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** TensorFlow.js makes every product one of rank three; a batch of one is computed as the matrix that it is. */
const BatchMatMul: Lowering<MatMulAttributes> = ({ a, b }, { transposeA, transposeB }) => {
  const shape = [...broadcastShape([a!.shape.slice(0, -2), b!.shape.slice(0, -2), []])];
  const product = matMul(withoutBatch(a!), withoutBatch(b!), transposeA, transposeB);
  return reshape(product, [...shape, ...product.shape.slice(-2)]);
};

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

/** Adds a bias and applies an activation, as TensorFlow.js's fused kernels ask. */
export function finish(
  value: Value,
  bias: Value | undefined,
  activation: string | undefined,
): Value {
  const sum = bias === undefined ? value : add(value, bias);
  if (activation === undefined || activation === 'linear') return sum;
  const op = activations[activation];
  if (op === undefined)
    throw new Error(`onnxruntime: no fused activation ${activation}; apply it by itself`);
  return elementwise(op, [sum]);
}

const FusedMatMul: Lowering<MatMulAttributes & { activation?: string }> = (inputs, attributes) =>
  finish(BatchMatMul(inputs, attributes) as Value, inputs['bias'], attributes.activation);

/** Kernels that multiply matrices. */
export const matrixKernels: LoweringTable = { BatchMatMul, _FusedMatMul: FusedMatMul };
