import type { BackendValues } from '@tensorflow/tfjs-core';

/** The element types that a tensor of the backend may have. */
export type DType = 'float32' | 'int32' | 'bool';

/**
 * The element types of values. No tensor holds int64, in which ONNX gives positions, or float64, in which some numbers
 * are computed; no program takes strings, which are only stored and handed to kernels that run on the host.
 */
export type ElementType = DType | 'int64' | 'float64' | 'string';

/** ONNX's TensorProto.DataType of each element type. */
export const dataTypes = {
  float32: 1,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float64: 11,
} as const;

/** The array that holds the bytes of each element type. */
const arrayTypes = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float64: Float64Array,
} as const;

/** The bytes of a tensor: Float32Array, Int32Array or (bool) Uint8Array. */
export type TypedArray = Float32Array | Int32Array | Uint8Array;

/**
 * What a tensor holds: bytes that are there (`buffer`), or the node that will make them (`node`).
 * A value is a result in the making; it is given its buffer when a read has run the graph that leads to it.
 */
export class Value {
  buffer: BackendValues | undefined;
  node: Node | undefined;
  /** Why the value could not be computed: reading it, or anything made of it, says so again. */
  error: Error | undefined;
  /** How many tensors hold it: what no tensor holds is not fetched when the graph is run. */
  holders = 0;
  /** Whether the engine made the buffer and has shown it to nobody, so that the host may write over it. */
  owned = false;
  /** Whether other values share the buffer. */
  aliased = false;
  /** Set while the value is being computed: what is recorded meanwhile must read it and not look behind it. */
  running = false;

  constructor(
    readonly shape: readonly number[],
    readonly dtype: ElementType,
  ) {}

  /** The same bytes in another shape. */
  alias(shape: readonly number[]): Value {
    this.aliased = true;
    const other = new Value(shape, this.dtype);
    other.buffer = this.buffer;
    other.aliased = true;
    return other;
  }

  static of(buffer: BackendValues, shape: readonly number[], dtype: DType | 'string'): Value {
    const value = new Value(shape, dtype);
    value.buffer = buffer;
    return value;
  }
}

/** A small operand that is part of the structure of a graph: an axis, a shape, a fixed number. */
export interface Constant {
  readonly constant: true;
  readonly dtype: Exclude<ElementType, 'string'>;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** An attribute of an ONNX node. A bare number is an integer; `{ float }` is a float. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** What an ONNX node may read: a value, a constant, or nothing where an optional input is left out. */
export type Operand = Value | Constant | undefined;

/** What a plan notes on a node, in the place of maps by node: there are thousands in a training step. */
interface Planned {
  readonly segment: number;
  /** The last walk over the graph that has met the node. */
  walk: number;
  /** Nodes of one level and kind run together; meant within the plan that has given it. */
  level: number;
}

/** One ONNX operator. */
export interface OnnxNode extends Planned {
  readonly kind: 'onnx';
  readonly op: string;
  readonly domain: '' | 'com.microsoft';
  readonly inputs: readonly Operand[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: readonly Value[];
}

/**
 * Work that is better done in JavaScript between two programs, on bytes that are there, such as adding up the
 * gradient of an embedding.
 */
export interface HostNode extends Planned {
  readonly kind: 'host';
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /**
   * Given the inputs' bytes, returns the outputs'. Those that are `spent` are read by nothing else any more: the
   * computation may write its outputs into them. `place(i)` may give an array that holds anything for output i, where
   * there is a better one than any new one.
   */
  readonly compute: HostComputation;
  /** An array that had best hold an input that is still to be made, and that holds anything until then. */
  readonly placeOf: ((input: Value) => Float32Array | undefined) | undefined;
}

export type HostComputation = (
  inputs: readonly TypedArray[],
  spent: readonly boolean[],
  place: (output: number) => Float32Array | undefined,
) => readonly TypedArray[];

export type Node = OnnxNode | HostNode;

/** What a tensor looks like from outside. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
}

/** The bytes that an element of a type takes in memory; a string has none of its own. */
export function bytesPerElement(dtype: ElementType): number {
  return dtype === 'string' ? 0 : arrayTypes[dtype].BYTES_PER_ELEMENT;
}

/** The number of elements in a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Whether a value has no elements. */
export const isEmpty = ({ shape }: TensorSpec): boolean => shape.includes(0);

/** The segment that is being recorded: nodes of different segments are never in one program. */
let segment = 0;

/**
 * Begins a segment: what is recorded from here on is run after all that was recorded before, in programs of its
 * own. ONNX Runtime merges equal subgraphs of a program, so what is to be computed twice must stand in two.
 */
export function beginSegment(): void {
  segment++;
}

/** Appends an ONNX operator with one output. */
export function emit(
  op: string,
  inputs: readonly Operand[],
  output: TensorSpec,
  attributes: Readonly<Record<string, Attribute>> = {},
  domain: OnnxNode['domain'] = '',
): Value {
  return emitMany(op, inputs, [output], attributes, domain)[0]!;
}

/**
 * Appends an ONNX operator with several outputs; where none of them has an element, nothing is to be computed, and some
 * operators would refuse it or never end.
 */
export function emitMany(
  op: string,
  inputs: readonly Operand[],
  outputs: readonly TensorSpec[],
  attributes: Readonly<Record<string, Attribute>> = {},
  domain: OnnxNode['domain'] = '',
): readonly Value[] {
  const values = outputs.map(({ shape, dtype }) => new Value(shape, dtype));
  if (values.every(isEmpty)) return values.map(withoutElements);
  const node: OnnxNode = {
    kind: 'onnx',
    segment,
    walk: 0,
    level: 0,
    op,
    domain,
    inputs,
    attributes,
    outputs: values,
  };
  for (const value of values) value.node = node;
  return values;
}

/** Gives a value of size zero its bytes. */
function withoutElements(value: Value): Value {
  value.buffer = new arrayTypes[value.dtype as keyof typeof arrayTypes](0) as unknown as TypedArray;
  return value;
}

/** Appends a computation on the host. */
export function emitHost(
  op: string,
  inputs: readonly Value[],
  outputs: readonly TensorSpec[],
  compute: HostComputation,
  placeOf?: HostNode['placeOf'],
): readonly Value[] {
  const values = outputs.map(({ shape, dtype }) => new Value(shape, dtype));
  const node: HostNode = {
    kind: 'host',
    segment,
    walk: 0,
    level: 0,
    op,
    inputs,
    outputs: values,
    compute,
    placeOf,
  };
  for (const value of values) value.node = node;
  return values;
}

/** An int64 vector: axes, shapes, pads. */
export function int64s(data: readonly number[]): Constant {
  return { constant: true, dtype: 'int64', shape: [data.length], data };
}

/** A scalar constant. */
export function scalar(value: number, dtype: Constant['dtype'] = 'float32'): Constant {
  return { constant: true, dtype, shape: [], data: [value] };
}

export function isConstant(operand: Operand): operand is Constant {
  return operand !== undefined && 'constant' in operand;
}

export const isValue = (operand: Operand): operand is Value => operand instanceof Value;
