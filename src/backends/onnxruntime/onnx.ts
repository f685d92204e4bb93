import { dataTypes } from './graph.js';
import type { Attribute, Constant } from './graph.js';
import type { NamedConstant, NamedSpec, Program, ProgramNode } from './program.js';
import { ProtobufWriter } from '../../protobuf.js';

// Field numbers and enumerations are those of onnx.proto3, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
const IR_VERSION = 10;
const OPSETS = [
  { domain: '', version: 20 },
  { domain: 'com.microsoft', version: 1 },
] as const;
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** A program as the bytes of an ONNX ModelProto. */
export function toOnnx(program: Program): Uint8Array {
  const model = new ProtobufWriter().int(1, IR_VERSION).string(2, 'bertresnet');
  model.message(7, (graph) => {
    for (const node of program.nodes) graph.message(1, (message) => writeNode(message, node));
    graph.string(2, 'program');
    for (const constant of program.constants) {
      graph.message(5, (message) => writeTensor(message, constant));
    }
    for (const input of program.inputs)
      graph.message(11, (message) => writeValueInfo(message, input));
    for (const output of program.outputs)
      graph.message(12, (message) => writeValueInfo(message, output));
  });
  for (const { domain, version } of OPSETS) {
    model.message(8, (opset) => opset.string(1, domain).int(2, version));
  }
  return model.finish();
}

/** Writes a NodeProto. */
export function writeNode(message: ProtobufWriter, node: ProgramNode): void {
  for (const input of node.inputs) message.string(1, input);
  for (const { name } of node.outputs) message.string(2, name);
  message.string(3, node.outputs[0]!.name).string(4, node.op);
  for (const [name, value] of Object.entries(node.attributes)) {
    message.message(5, (attribute) => writeAttribute(attribute, name, value));
  }
  if (node.domain !== '') message.string(7, node.domain);
}

function writeAttribute(message: ProtobufWriter, name: string, value: Attribute): void {
  message.string(1, name);
  if (typeof value === 'number') message.int(3, value).int(20, attributeTypes.int);
  else if (typeof value === 'string') message.string(4, value).int(20, attributeTypes.string);
  else if ('float' in value) message.float(2, value.float).int(20, attributeTypes.float);
  else message.ints(8, value).int(20, attributeTypes.ints);
}

/** Writes a TensorProto with its data in it. */
export function writeTensor(
  message: ProtobufWriter,
  { name, dtype, shape, data }: NamedConstant,
): void {
  message.ints(1, shape).int(2, dataTypes[dtype]).string(8, name).bytes(9, rawBytes(dtype, data));
}

/** The little-endian bytes of a tensor, as raw_data holds them. */
function rawBytes(dtype: Constant['dtype'], data: readonly number[]): Uint8Array {
  switch (dtype) {
    case 'float32':
      return new Uint8Array(Float32Array.from(data).buffer);
    case 'float64':
      return new Uint8Array(Float64Array.from(data).buffer);
    case 'int32':
      return new Uint8Array(int32s(data).buffer);
    case 'int64':
      return new Uint8Array(BigInt64Array.from(data, (value) => BigInt(value)).buffer);
    case 'bool':
      return Uint8Array.from(data);
  }
}

/** An array of JavaScript takes any number, and makes another one of what it cannot hold. */
function int32s(data: readonly number[]): Int32Array {
  const numbers = Int32Array.from(data);
  const other = data.find((number, i) => numbers[i] !== number);
  if (other === undefined) return numbers;
  throw new Error(`internal: a constant of int32 must hold such numbers, got ${other}`);
}

/** A tensor from outside; an axis of any size has a name in the place of a number. */
export type OpenSpec = Omit<NamedSpec, 'shape'> & { readonly shape: readonly (number | string)[] };

/** Writes a ValueInfoProto. */
export function writeValueInfo(message: ProtobufWriter, { name, dtype, shape }: OpenSpec): void {
  message.string(1, name).message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.int(1, dataTypes[dtype]);
      tensor.message(2, (dimensions) => {
        for (const size of shape) {
          dimensions.message(1, (dimension) =>
            typeof size === 'string' ? dimension.string(2, size) : dimension.int(1, size),
          );
        }
      });
    }),
  );
}
