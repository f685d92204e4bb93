import { isConstant } from './graph.js';
import type {
  Constant,
  ElementType,
  HostNode,
  Node,
  OnnxNode,
  Operand,
  TensorSpec,
  Value,
} from './graph.js';

/**
 * A compiled unit as data: straight-line ONNX operators from inputs to outputs. Names are `i<k>` for an input,
 * `c<k>` for a constant and `v<k>` for what a node makes; an absent operand is the empty name.
 * Two traces of the same computation give equal programs, whatever the values that flow through them.
 */
export interface Program {
  readonly inputs: readonly NamedSpec[];
  readonly constants: readonly (Constant & { readonly name: string })[];
  readonly nodes: readonly ProgramNode[];
  readonly outputs: readonly NamedSpec[];
}

export interface NamedSpec {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
}

export interface ProgramNode {
  readonly op: string;
  readonly domain: OnnxNode['domain'];
  readonly inputs: readonly string[];
  readonly attributes: OnnxNode['attributes'];
  readonly outputs: readonly NamedSpec[];
}

/** One step of a plan: a program with the values that it reads and makes, or work on the host. */
export type Step = (
  | {
      readonly kind: 'program';
      readonly program: Program;
      readonly feeds: readonly Value[];
      readonly fetches: readonly Value[];
    }
  | {
      readonly kind: 'host';
      readonly node: HostNode;
      /** For each input, whether nothing that is still to run reads its bytes. */
      readonly last: readonly boolean[];
    }
) & {
  /** What nothing reads any more once the step has run, neither a tensor nor a later step. */
  readonly releases: Value[];
};

/**
 * The steps that compute `roots`, in order. Segments, and within them work on the host, cut the graph in levels: all
 * operators of one level form one program, and a value that a later level or the host reads is an output of its level.
 */
export function plan(roots: readonly Value[]): Step[] {
  const order = topologicalOrder(roots);
  const levels = assignLevels(order);
  const needed = neededAcrossLevels(order, levels, roots);
  const readers = readersOfHostInputs(order);
  const isLast = (value: Value, reader: Node, level: number): boolean =>
    readers
      .get(value.buffer ?? value)!
      .every(
        (other) =>
          other === reader ||
          levels.get(other)! < level ||
          (other.kind === 'onnx' && levels.get(other) === level),
      );
  const steps: Step[] = [];
  for (const [level, nodes] of byLevel(order, levels)) {
    const operators = nodes.filter((node) => node.kind === 'onnx');
    if (operators.length > 0) steps.push(toProgram(operators, needed));
    for (const node of nodes) {
      if (node.kind !== 'host') continue;
      const last = node.inputs.map((input) => isLast(input, node, level));
      steps.push({ kind: 'host', node, last, releases: [] });
    }
  }
  release(steps, roots);
  return steps;
}

/** The nodes of each level, the levels in their order. */
function byLevel(order: readonly Node[], levels: ReadonlyMap<Node, number>): [number, Node[]][] {
  const groups = new Map<number, Node[]>();
  for (const node of order) {
    const level = levels.get(node)!;
    const group = groups.get(level);
    if (group === undefined) groups.set(level, [node]);
    else group.push(node);
  }
  return [...groups].toSorted(([a], [b]) => a - b);
}

/** Has each value released by the last step that touches it, unless a tensor holds it. */
function release(steps: readonly Step[], roots: readonly Value[]): void {
  const kept = new Set<Value>(roots);
  for (const step of steps.toReversed()) {
    const touched =
      step.kind === 'program'
        ? [...step.feeds, ...step.fetches]
        : [...step.node.inputs, ...step.node.outputs];
    for (const value of touched) {
      if (value.holders > 0 || kept.has(value)) continue;
      kept.add(value);
      step.releases.push(value);
    }
  }
}

/** Who reads each value that the host reads; values that share their bytes count as one. */
function readersOfHostInputs(order: readonly Node[]): Map<unknown, Node[]> {
  const readers = new Map<unknown, Node[]>();
  for (const node of order) {
    if (node.kind !== 'host') continue;
    for (const input of node.inputs) readers.set(input.buffer ?? input, []);
  }
  if (readers.size === 0) return readers;
  for (const node of order) {
    for (const input of node.inputs) {
      if (input === undefined || isConstant(input)) continue;
      readers.get(input.buffer ?? input)?.push(node);
    }
  }
  return readers;
}

/** The nodes that lead to the roots, each after those that it reads. */
export function topologicalOrder(roots: readonly Value[]): Node[] {
  const order: Node[] = [];
  const done = new Set<Node>();
  // The path that is being followed: each node with the number of the input to look at next.
  const path: Node[] = [];
  const next: number[] = [];
  for (const root of roots) {
    if (root.node === undefined || done.has(root.node)) continue;
    path.push(root.node);
    next.push(0);
    while (path.length > 0) {
      const top = path.length - 1;
      const node = path[top]!;
      if (next[top]! < node.inputs.length) {
        const source = producer(node.inputs[next[top]!++]);
        if (source === undefined || done.has(source)) continue;
        path.push(source);
        next.push(0);
      } else {
        path.pop();
        next.pop();
        done.add(node);
        order.push(node);
      }
    }
  }
  return order;
}

/** The node that has still to make an operand. */
function producer(operand: Operand): Node | undefined {
  if (operand === undefined || isConstant(operand)) return undefined;
  if (operand.error !== undefined) throw operand.error;
  return operand.buffer === undefined ? operand.node : undefined;
}

/** The level of each node: above those of earlier segments and of what it reads from the host. */
function assignLevels(order: readonly Node[]): Map<Node, number> {
  const levels = new Map<Node, number>();
  let [segment, base, top] = [-1, 0, -1];
  for (const node of bySegment(order)) {
    if (node.segment !== segment) [segment, base] = [node.segment, top + 1];
    let level = base;
    for (const input of node.inputs) {
      const source = producer(input);
      if (source === undefined) continue;
      level = Math.max(level, levels.get(source)! + (source.kind === 'host' ? 1 : 0));
    }
    levels.set(node, level);
    top = Math.max(top, level);
  }
  return levels;
}

/** The nodes by segment, otherwise in their order; most often they are that already. */
function bySegment(order: readonly Node[]): readonly Node[] {
  const isSorted = order.every(({ segment }, i) => i === 0 || order[i - 1]!.segment <= segment);
  return isSorted ? order : order.toSorted((a, b) => a.segment - b.segment);
}

/** The values that must leave their program: the roots, and what another level or the host reads. */
function neededAcrossLevels(
  order: readonly Node[],
  levels: ReadonlyMap<Node, number>,
  roots: readonly Value[],
): ReadonlySet<Value> {
  const needed = new Set<Value>(roots);
  for (const node of order) {
    for (const input of node.inputs) {
      const source = producer(input);
      if (source === undefined) continue;
      if (node.kind === 'host' || levels.get(source) !== levels.get(node))
        needed.add(input as Value);
    }
  }
  return needed;
}

function toProgram(operators: readonly OnnxNode[], needed: ReadonlySet<Value>): Step {
  const names = new Map<Value, string>();
  const feeds: Value[] = [];
  const constants = new Map<string, Constant & { name: string }>();
  const nameOf = (operand: Operand): string => {
    if (operand === undefined) return '';
    if (isConstant(operand)) return constantName(operand, constants);
    let name = names.get(operand);
    if (name === undefined) {
      name = `i${feeds.length}`;
      names.set(operand, name);
      feeds.push(operand);
    }
    return name;
  };
  const fetches: Value[] = [];
  let count = 0;
  const nodes = operators.map((node): ProgramNode => {
    const inputs = node.inputs.map(nameOf);
    const outputs = node.outputs.map((value) => {
      const name = `v${count++}`;
      names.set(value, name);
      if (needed.has(value)) fetches.push(value);
      return { name, dtype: value.dtype, shape: value.shape };
    });
    return { op: node.op, domain: node.domain, inputs, attributes: node.attributes, outputs };
  });
  const specOf = (value: Value): NamedSpec => ({
    name: names.get(value)!,
    dtype: value.dtype,
    shape: value.shape,
  });
  const program: Program = {
    inputs: feeds.map(specOf),
    constants: [...constants.values()],
    nodes,
    outputs: fetches.map(specOf),
  };
  return { kind: 'program', program, feeds, fetches, releases: [] };
}

function constantName(constant: Constant, known: Map<string, Constant & { name: string }>): string {
  const { dtype, shape, data } = constant;
  const key = `${dtype}[${shape}]${dtype === 'int64' ? data : data.map(exactly)}`;
  let named = known.get(key);
  if (named === undefined) {
    named = { ...constant, name: `c${known.size}` };
    known.set(key, named);
  }
  return named.name;
}

/** A number's text without loss: minus zero and NaN included. */
function exactly(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** A text that is equal for equal programs and for no others: the key of the cache of compiled programs. */
export function fingerprint(program: Program): string {
  const parts: string[] = [];
  for (const { dtype, shape } of program.inputs) parts.push(`${dtype[0]}${shape}`);
  for (const { name, dtype, shape, data } of program.constants) {
    parts.push(`${name}=${dtype}[${shape}]${data.map(exactly)}`);
  }
  for (const node of program.nodes) parts.push(nodeKey(node));
  for (const { name } of program.outputs) parts.push(name);
  return parts.join('|');
}

function nodeKey({ op, domain, inputs, attributes, outputs }: ProgramNode): string {
  let key = `${domain === '' ? '' : `${domain}.`}${op}(${inputs})`;
  for (const name in attributes) key += `,${name}=${attributeText(attributes[name]!)}`;
  for (const { dtype, shape } of outputs) key += `:${dtype[0]}${shape}`;
  return key;
}

function attributeText(attribute: OnnxNode['attributes'][string]): string {
  if (typeof attribute === 'string') return JSON.stringify(attribute);
  if (typeof attribute === 'number') return String(attribute);
  return 'float' in attribute ? `${exactly(attribute.float)}f` : `[${attribute.join(',')}]`;
}

/** A program as text, one line an operator, to be read by a person. */
export function printProgram(program: Program): string {
  const lines = program.inputs.map((input) => `input  ${specText(input)}`);
  for (const { name, dtype, shape, data } of program.constants) {
    const values = data.length > 8 ? `${data.slice(0, 8).join(', ')}, ...` : data.join(', ');
    lines.push(`const  ${name}: ${dtype}[${shape.join(', ')}] = ${values}`);
  }
  for (const { op, domain, inputs, attributes, outputs } of program.nodes) {
    const options = Object.entries(attributes).map(
      ([name, value]) => `${name}=${attributeText(value)}`,
    );
    const operator = domain === '' ? op : `${domain}.${op}`;
    lines.push(
      `${outputs.map(specText).join(', ')} = ${operator}(${[...inputs, ...options].join(', ')})`,
    );
  }
  lines.push(`return ${program.outputs.map(({ name }) => name).join(', ')}`);
  return lines.join('\n');
}

function specText({ name, dtype, shape }: TensorSpec & { readonly name: string }): string {
  return `${name}: ${dtype}[${shape.join(', ')}]`;
}
