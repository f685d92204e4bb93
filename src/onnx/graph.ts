import { isConstant } from '../backends/onnxruntime/graph.js';
import type {
  Constant,
  DType,
  OnnxNode,
  Operand,
  TypedArray,
  Value,
} from '../backends/onnxruntime/graph.js';
import { topologicalOrder } from '../backends/onnxruntime/plan.js';
import type { NamedConstant, ProgramNode } from '../backends/onnxruntime/program.js';
import type { Recording } from '../backends/onnxruntime/recorder.js';
import { InputError } from '../errors.js';
import { Emitter } from './emitter.js';
import type { AxisSources } from './emitter.js';
import { isFixed, sameSeries } from './sizes.js';
import type { Point, Series } from './sizes.js';

/** A tensor that the model holds beside its parameters. */
export interface FixedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** What a graph is made of; the values that nothing makes are inputs and parameters, by their names. */
export interface Graph {
  readonly nodes: readonly ProgramNode[];
  readonly constants: readonly NamedConstant[];
  readonly tensors: readonly FixedTensor[];
  /** The names of inputs and parameters that the graph reads. */
  readonly read: ReadonlySet<string>;
}

/** How a graph is made of recordings. */
export interface MergeOptions {
  /** Where each recording was made, in their order. */
  readonly points: readonly Point[];
  readonly sources: AxisSources;
  /** The name that the output gets. */
  readonly output: string;
}

/**
 * One graph for every batch and length, of recordings of the same computation at some of them. They must have equal
 * structure; whatever number differs between them is computed from the sizes of the inputs, or left to be inferred.
 *
 * @throws InputError where the structure, or a number in a way that is not understood, depends on the sizes.
 */
export function mergeRecordings(recordings: readonly Recording[], options: MergeOptions): Graph {
  return new Merger(recordings, options).graph();
}

interface Trace {
  readonly nodes: readonly OnnxNode[];
  readonly names: Map<Value, string>;
}

class Merger {
  readonly #traces: readonly Trace[];
  readonly #emitter: Emitter;
  readonly #tensors = new Map<string, FixedTensor>();
  readonly #read: ReadonlySet<Operand>;
  /** The output of each operator with one, by all that it depends on. */
  readonly #known = new Map<string, string>();

  constructor(
    readonly recordings: readonly Recording[],
    readonly options: MergeOptions,
  ) {
    this.#traces = recordings.map(({ output, names }) => ({
      nodes: operatorsOf(output),
      names: new Map(names),
    }));
    this.#emitter = new Emitter(options.points, options.sources);
    this.#read = new Set(this.#traces[0]!.nodes.flatMap(({ inputs }) => inputs));
  }

  graph(): Graph {
    const count = this.#traces[0]!.nodes.length;
    const unequal = this.#traces.find(({ nodes }) => nodes.length !== count);
    if (unequal !== undefined) throw changing(`${count} or ${unequal.nodes.length} operators`);
    for (let k = 0; k < count; k++) this.#append(this.#traces.map(({ nodes }) => nodes[k]!));
    const { nodes, constants } = this.#emitter;
    const read = new Set(nodes.flatMap(({ inputs }) => inputs));
    return { nodes, constants, tensors: [...this.#tensors.values()], read };
  }

  #append(nodes: readonly OnnxNode[]): void {
    const [{ op, domain, attributes }] = nodes as [OnnxNode];
    const [key, ...others] = nodes.map(structureOf);
    const other = others.find((structure) => structure !== key);
    if (other !== undefined) throw changing(`${key} or ${other}`);
    const inputs = this.#inputs(nodes);
    const computed = `${key} ${inputs.join()}`;
    const known = this.#known.get(computed);
    if (known !== undefined) return this.#nameAll(nodes, 0, known);
    const outputs = this.#nameOutputs(nodes, inputs);
    this.#emitter.nodes.push({ op, domain, attributes, inputs, outputs });
    const isRoot = outputs[0]!.name === this.options.output;
    if (outputs.length === 1 && !isRoot) this.#known.set(computed, outputs[0]!.name);
  }

  #inputs(nodes: readonly OnnxNode[]): string[] {
    const inputs = transposeList(nodes.map((node) => node.inputs));
    const { op, attributes } = nodes[0]!;
    if (op === 'Reshape' && attributes['allowzero'] === undefined) return this.#reshape(inputs);
    if (op === 'Slice' && inputs.slice(1).flat().every(isConstant)) return this.#slice(inputs);
    const names = inputs.map((operands) => this.#nameOf(operands, op));
    while (names.at(-1) === '') names.pop();
    return names;
  }

  /** Outputs that nothing reads are left out at the end of the list, where operators need not give them. */
  #nameOutputs(nodes: readonly OnnxNode[], inputs: readonly string[]): ProgramNode['outputs'] {
    const { op, outputs } = nodes[0]!;
    const root = this.recordings[0]!.output;
    const kept = outputs.findLastIndex((value) => value === root || this.#read.has(value)) + 1;
    const base = `${scopeOf(inputs)}${op}_${this.#emitter.nodes.length}`;
    return outputs.slice(0, kept).map((value, i) => {
      const name = value === root ? this.options.output : i === 0 ? base : `${base}_${i}`;
      this.#nameAll(nodes, i, name);
      return { name, dtype: value.dtype, shape: value.shape };
    });
  }

  /** Gives an output of a node its name in every trace. */
  #nameAll(nodes: readonly OnnxNode[], output: number, name: string): void {
    this.#traces.forEach(({ names }, t) => names.set(nodes[t]!.outputs[output]!, name));
  }

  #nameOf(operands: readonly Operand[], user: string): string {
    const [first] = operands;
    if (first === undefined) return '';
    const names = operands.map((operand, t) => this.#traces[t]!.names.get(operand as Value));
    if (names.every((name) => name === names[0]) && names[0] !== undefined) return names[0];
    const fixed = operands.map(fixedOf);
    if (fixed.some((one) => one === undefined)) throw changing(`what ${user} reads`);
    return this.#fixed(fixed as Fixed[], user);
  }

  /** The name of what is no node's output: the same everywhere, or a vector of sizes, or one number in a varying shape. */
  #fixed(operands: readonly Fixed[], user: string): string {
    const [{ dtype, shape, data }] = operands as [Fixed];
    if (operands.every((other) => sameFixed(other, operands[0]!))) {
      return isSmall(data)
        ? this.#emitter.constant(dtype, shape, Array.from(data))
        : this.#tensor(operands[0]!);
    }
    const shapes = seriesOf(operands.map((operand) => operand.shape));
    const number = data[0]!;
    if (shapes !== undefined && operands.every((operand) => isFilledWith(operand, number))) {
      const scalar = this.#emitter.constant(dtype, [], [number]);
      const name = `filled_${this.#emitter.nodes.length}`;
      return this.#emitter.node('Expand', [scalar, this.#emitter.vector(shapes, user)], name);
    }
    const numbers = seriesOf(operands.map((operand) => Array.from(operand.data)));
    if (dtype === 'int64' && shape.length === 1 && numbers !== undefined) {
      return this.#emitter.vector(numbers, user);
    }
    throw changing(`the numbers that ${user} reads`);
  }

  #tensor({ dtype, shape, data }: Fixed): string {
    const name = `tensor_${this.#tensors.size}`;
    const known = [...this.#tensors.values()].find(
      (tensor) => tensor.data === data && sameSeries(tensor.shape, shape),
    );
    if (known !== undefined) return known.name;
    this.#tensors.set(name, { name, dtype: dtype as DType, shape, data: data as TypedArray });
    return name;
  }

  /** A size that is that of the input's own axis is written 0, and one that is left over -1. */
  #reshape([values, shapes]: readonly (readonly Operand[])[]): string[] {
    const before = seriesOf(values!.map((value) => (value as Value).shape))!;
    const after = vectorOf(shapes!)!;
    const copied = after.map(
      (size, i) => !isFixed(size) && before[i] !== undefined && sameSeries(size, before[i]),
    );
    const inferred = after.findLastIndex((size, i) => !isFixed(size) && !copied[i]);
    const target = after.map((size, i) =>
      copied[i] ? size.map(() => 0) : i === inferred ? size.map(() => -1) : size,
    );
    return [this.#nameOf(values!, 'Reshape'), this.#emitter.vector(target, 'Reshape')];
  }

  /** Axes of which all is taken are left out. */
  #slice([values, ...operands]: readonly (readonly Operand[])[]): string[] {
    const [starts, ends, axes, steps] = operands.map((one) => vectorOf(one)) as [
      Series[],
      Series[],
      Series[],
      Series[],
    ];
    const shape = seriesOf(values!.map((value) => (value as Value).shape))!;
    const reachesEnd = axes.map((axis, i) => sameSeries(ends[i]!, shape[axis[0]!]!));
    const cut = axes.flatMap((_, i) => {
      const whole =
        reachesEnd[i] &&
        starts[i]!.every((at) => at === 0) &&
        steps[i]!.every((step) => step === 1);
      return whole ? [] : [i];
    });
    const far = ends.map((end, i) =>
      reachesEnd[i] ? end.map(() => Number.MAX_SAFE_INTEGER) : end,
    );
    const vector = (series: readonly Series[]): string =>
      this.#emitter.vector(
        cut.map((i) => series[i]!),
        'Slice',
      );
    return [this.#nameOf(values!, 'Slice'), ...[starts, far, axes, steps].map(vector)];
  }
}

/** The operators that lead to a value. @throws InputError where something else does */
function operatorsOf(output: Value): OnnxNode[] {
  return topologicalOrder([output]).map((node) => {
    if (node.kind === 'onnx') return node;
    throw new InputError(
      `toOnnx: a model must be made of ONNX's operators, got ${node.op}, which is computed outside of the graph; ` +
        'compute that part of the model in another way',
    );
  });
}

/** What of a node must be equal at every size. */
function structureOf({ op, domain, attributes, inputs, outputs }: OnnxNode): string {
  const types = [...inputs, ...outputs].map((value) => value?.dtype ?? '').join();
  return `${domain}${op}(${types}) ${JSON.stringify(attributes)}`;
}

function changing(came: string): InputError {
  return new InputError(
    `toOnnx: a model must compute in the same way for every batch and length, got ${came}, depending on them; ` +
      'compute that part of the model in another way',
  );
}

/** A constant, or a value whose bytes are there. */
type Fixed = Pick<Constant, 'dtype' | 'shape'> & { readonly data: ArrayLike<number> };

function fixedOf(operand: Operand): Fixed | undefined {
  if (operand === undefined || isConstant(operand)) return operand;
  const { dtype, shape, buffer } = operand;
  if (buffer === undefined || dtype === 'string') return undefined;
  return { dtype, shape, data: buffer as TypedArray };
}

function sameFixed(a: Fixed, b: Fixed): boolean {
  if (
    a.data.length !== b.data.length ||
    a.shape.length !== b.shape.length ||
    !sameSeries(a.shape, b.shape)
  )
    return false;
  for (let i = 0; i < a.data.length; i++) if (!Object.is(a.data[i], b.data[i])) return false;
  return true;
}

/** A tensor of fewer elements is written where the graph is, among the numbers of its structure. */
const isSmall = (data: ArrayLike<number>): boolean => data.length <= 64;

function isFilledWith({ data }: Fixed, number: number): boolean {
  for (let i = 0; i < data.length; i++) if (data[i] !== number) return false;
  return true;
}

/** Lists of numbers, one a point, as one series a number; undefined where they differ in length. */
function seriesOf(lists: readonly (readonly number[])[]): Series[] | undefined {
  if (lists.some((list) => list.length !== lists[0]!.length)) return undefined;
  return transposeList(lists);
}

/** The numbers of a constant that is a vector, as series. */
function vectorOf(operands: readonly Operand[]): Series[] | undefined {
  return seriesOf(operands.map((operand) => (operand as Constant).data));
}

/** Rows to columns. */
function transposeList<T>(rows: readonly (readonly T[])[]): T[][] {
  return rows[0]!.map((_, column) => rows.map((row) => row[column]!));
}

/** The module whose parameter an operator reads: `text_encoder.embeddings.LayerNorm/`. */
function scopeOf(inputs: readonly string[]): string {
  const parameter = inputs.find((input) => input.includes('.') && !input.includes('/'));
  return parameter === undefined ? '' : `${parameter.slice(0, parameter.lastIndexOf('.'))}/`;
}
