import { util } from '@tensorflow/tfjs-core';
import { emit } from '../graph.js';
import type { Value } from '../graph.js';
import { elementwise, transpose, TO_OIHW } from '../layout.js';
import { batchNormalization } from './batchNorm.js';
import { convInfo, fromNchw, toNchw, windowAttributes } from './convolution.js';
import type { ConvAttributes } from './convolution.js';
import { add, numeric } from './elementwise.js';
import { gather } from './gather.js';
import type { GatherAttributes } from './gather.js';
import { kernelNames, lowerings } from './index.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { batchMatMul, finish, matMul } from './matrix.js';

// A graph that others are to run, on runtimes and with tools that are not ours, is of standard operators alone, and of
// those that an exporter of PyTorch would choose, which optimisers and quantisers know: Conv for every convolution,
// Gemm for a linear layer, BatchNormalization. A parameter enters them as PyTorch lays it out.

const Conv2D: Lowering<ConvAttributes> = ({ x, filter }, attributes) =>
  convolve(x!, filter!, attributes);

function convolve(x: Value, filter: Value, attributes: ConvAttributes): Value {
  const info = convInfo(x.shape, filter.shape, attributes);
  const shape = [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
  const inputs = [toNchw(x, info), transpose(filter, TO_OIHW)];
  const y = emit('Conv', inputs, { shape, dtype: 'float32' }, windowAttributes(info));
  return fromNchw(y, info);
}

const FusedConv2D: Lowering<ConvAttributes & { activation?: string }> = (inputs, attributes) =>
  finish(
    convolve(inputs['x']!, inputs['filter']!, attributes),
    inputs['bias'],
    attributes.activation,
  );

function multiply(a: Value, b: Value, transposeA = false, transposeB = false): Value {
  if (a.shape.length > 2 || b.shape.length > 2 || !(transposeA || transposeB)) {
    return matMul(transposeA ? turned(a) : a, transposeB ? turned(b) : b);
  }
  const shape = [a.shape[transposeA ? 1 : 0]!, b.shape[transposeB ? 0 : 1]!];
  const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
  return emit('Gemm', [a, b], { shape, dtype: a.dtype }, attributes);
}

/** A value with its last two axes exchanged. */
function turned(value: Value): Value {
  const rank = value.shape.length;
  const leading = value.shape.slice(0, -2).map((_, axis) => axis);
  return transpose(value, [...leading, rank - 1, rank - 2]);
}

const BatchMatMul = batchMatMul(multiply);

const FusedMatMul: Lowering = (inputs, attributes) => {
  const product = BatchMatMul(inputs, attributes) as Value;
  return finish(product, inputs['bias'], attributes.activation as string | undefined);
};

const Add: Lowering = ({ a, b }) =>
  withBias(a!, b!) ?? withBias(b!, a!) ?? add(numeric(a!), numeric(b!));

/** A linear layer's product and its bias are one Gemm. */
function withBias(product: Value, bias: Value): Value | undefined {
  const { node } = product;
  if (node?.kind !== 'onnx' || node.op !== 'Gemm' || node.inputs.length > 2) return undefined;
  if (bias.shape.length !== 1 || bias.shape[0] !== product.shape[1]) return undefined;
  return emit('Gemm', [...node.inputs, bias], product, node.attributes);
}

const Gelu: Lowering<{ approximate: 'none' | 'tanh' }> = ({ x }, { approximate }) =>
  elementwise('Gelu', [x], 'float32', { approximate });

/** What a tokenizer makes is no index from the end, which would have to be looked for. */
const GatherV2: Lowering<GatherAttributes> = (inputs, attributes) => {
  const { x, indices } = inputs;
  if (attributes.batchDims) return lowerings['GatherV2']!(inputs, attributes as never);
  const [axis] = util.parseAxisParam(attributes.axis, x!.shape as number[]);
  return gather(x!, indices!, axis!);
};

/** How each kernel becomes standard ONNX; an operator of this library that is not here is composed of others. */
export function portableLowerings(): LoweringTable {
  const official = kernelNames().filter((name) => name in lowerings);
  return {
    ...Object.fromEntries(official.map((name) => [name, lowerings[name]!])),
    Add,
    BatchMatMul,
    BatchNormInference: batchNormalization,
    Conv2D,
    FusedConv2D,
    GatherV2,
    Gelu,
    LayerNorm: lowerings['LayerNorm']!,
    _FusedMatMul: FusedMatMul,
  };
}
