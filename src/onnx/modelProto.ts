import { dataTypes } from '../backends/onnxruntime/graph.js';
import type { DType } from '../backends/onnxruntime/graph.js';
import { writeNode, writeTensor, writeValueInfo } from '../backends/onnxruntime/onnx.js';
import type { OpenSpec } from '../backends/onnxruntime/onnx.js';
import type { NamedConstant, ProgramNode } from '../backends/onnxruntime/program.js';
import { ProtobufWriter } from '../protobuf.js';

// The fields and their numbers are those of onnx.proto3, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.

/** The version of the file format: the one in which opset 20 came out. */
const irVersion = 9;
/** Opset 20 is the first with Gelu. */
const opset = 20;

/** A large tensor, whose bytes are read only when they are written. */
export interface Weight {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In bytes. */
  readonly size: number;
  read(): Promise<Uint8Array>;
}

/** All that an ONNX model says. */
export interface ModelDescription {
  readonly name: string;
  readonly doc: string;
  /** The version of this library. */
  readonly version: string;
  readonly inputs: readonly OpenSpec[];
  readonly outputs: readonly OpenSpec[];
  readonly nodes: readonly ProgramNode[];
  readonly constants: readonly NamedConstant[];
  readonly weights: readonly Weight[];
  /** What a reader finds as custom metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A file, piece by piece: bytes that are there, and weights that are yet to be read. */
export interface FileLayout {
  readonly pieces: readonly (Uint8Array | Weight)[];
  /** In bytes. */
  readonly size: number;
}

/** A model as one file, or as a file and the one beside it that holds its weights. */
export interface ModelLayout {
  readonly model: FileLayout;
  readonly data?: FileLayout;
}

/** Weights outside begin where a page of memory may, so that a reader can map them. */
const alignment = 4096;
/** A smaller tensor stays in the model, where it costs less. */
const leastOutside = 1024;

/**
 * Lays out a model in one file; or with its weights in a second one, if that has a name.
 */
export function layOutModel(description: ModelDescription, dataFile?: string): ModelLayout {
  if (dataFile === undefined) return { model: layOut(description, description.weights, []) };
  const inside = description.weights.filter(({ size }) => size < leastOutside);
  const outside = description.weights.filter(({ size }) => size >= leastOutside);
  const data = layOutData(outside);
  const places = outside.map((weight): Place => {
    return { weight, location: dataFile, offset: data.offsets.get(weight)! };
  });
  return { model: layOut(description, inside, places), data };
}

interface Place {
  readonly weight: Weight;
  readonly location: string;
  readonly offset: number;
}

function layOutData(weights: readonly Weight[]): FileLayout & { offsets: Map<Weight, number> } {
  const offsets = new Map<Weight, number>();
  const pieces: (Uint8Array | Weight)[] = [];
  let size = 0;
  for (const weight of weights) {
    const gap = (alignment - (size % alignment)) % alignment;
    pieces.push(new Uint8Array(gap), weight);
    offsets.set(weight, size + gap);
    size += gap + weight.size;
  }
  return { pieces, size, offsets };
}

/** The graph's length stands before it, so the weights, which come last, are counted before they are read. */
function layOut(
  description: ModelDescription,
  inside: readonly Weight[],
  outside: readonly Place[],
): FileLayout {
  const graph = writeGraph(description, outside);
  const weights = inside.flatMap((weight) => {
    const header = weightHeader(weight);
    const start = new ProtobufWriter().open(5, header.length + weight.size).finish();
    return [start, header, weight];
  });
  const before = writeModel(description)
    .open(7, lengthOf([graph, ...weights]))
    .finish();
  const pieces = [before, graph, ...weights];
  return { pieces, size: lengthOf(pieces) };
}

function lengthOf(pieces: readonly (Uint8Array | Weight)[]): number {
  return pieces.reduce(
    (sum, piece) => sum + (piece instanceof Uint8Array ? piece.length : piece.size),
    0,
  );
}

/** All fields of a model but its graph. */
function writeModel({ doc, version, nodes, metadata }: ModelDescription): ProtobufWriter {
  const model = new ProtobufWriter().int(1, irVersion).string(2, 'bertresnet').string(3, version);
  model.string(6, doc);
  const others = new Set(nodes.map(({ domain }) => domain).filter((domain) => domain !== ''));
  model.message(8, (set) => set.string(1, '').int(2, opset));
  for (const domain of others) model.message(8, (set) => set.string(1, domain).int(2, 1));
  for (const [key, value] of Object.entries(metadata)) {
    model.message(14, (entry) => entry.string(1, key).string(2, value));
  }
  return model;
}

/** A graph but for the weights within the file. */
function writeGraph(description: ModelDescription, outside: readonly Place[]): Uint8Array {
  const { name, doc, nodes, constants, inputs, outputs } = description;
  const graph = new ProtobufWriter();
  for (const node of nodes) graph.message(1, (message) => writeNode(message, node));
  graph.string(2, name);
  for (const constant of constants) graph.message(5, (message) => writeTensor(message, constant));
  for (const place of outside) graph.message(5, (message) => writeReference(message, place));
  graph.string(10, doc);
  for (const input of inputs) graph.message(11, (message) => writeValueInfo(message, input));
  for (const output of outputs) graph.message(12, (message) => writeValueInfo(message, output));
  return graph.finish();
}

/** A TensorProto up to where its bytes begin. */
function weightHeader(weight: Weight): Uint8Array {
  return writeWeight(new ProtobufWriter(), weight).open(9, weight.size).finish();
}

function writeWeight(tensor: ProtobufWriter, { name, dtype, shape }: Weight): ProtobufWriter {
  return tensor.ints(1, shape).int(2, dataTypes[dtype]).string(8, name);
}

/** A TensorProto whose bytes are in another file. */
function writeReference(tensor: ProtobufWriter, { weight, location, offset }: Place): void {
  writeWeight(tensor, weight);
  for (const [key, value] of Object.entries({ location, offset, length: weight.size })) {
    tensor.message(13, (entry) => entry.string(1, key).string(2, String(value)));
  }
  tensor.int(14, 1); // EXTERNAL
}
