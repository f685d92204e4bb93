import { isConstant } from './graph.js';
import type { Constant, OnnxNode, TensorSpec, Value } from './graph.js';
import { attributeText, listText } from './program.js';
import type { NamedConstant, NamedSpec, Program, ProgramNode } from './program.js';

/**
 * Operators that are to be one program, with the values that go into it and come out. The step of a training that goes on
 * has been compiled before, so its key is made first, and the program itself where somebody asks for it.
 */
export class ProgramStep {
  readonly kind = 'program';
  /** What the operators read that none of them makes. */
  readonly feeds: readonly Value[];
  /** What leaves the program. */
  readonly fetches: readonly Value[];
  /** What nothing reads any more once the step has run, neither a tensor nor a later step. */
  readonly releases: Value[] = [];
  readonly inputs: readonly NamedSpec[];
  readonly outputs: readonly NamedSpec[];
  /** A text that is equal for equal programs and for no others: the key of the cache of compiled programs. */
  readonly fingerprint: string;
  readonly #operators: readonly OnnxNode[];
  #program: Program | undefined;

  /** @param needed the values that must leave their program */
  constructor(operators: readonly OnnxNode[], needed: ReadonlySet<Value>) {
    this.#operators = operators;
    const names = new Names();
    const parts: string[] = [];
    const fetches: Value[] = [];
    for (const node of operators) {
      parts.push(nodeKey(node, names));
      for (const value of node.outputs) {
        names.make(value);
        if (needed.has(value)) fetches.push(value);
      }
    }
    this.feeds = names.feeds;
    this.fetches = fetches;
    this.inputs = names.feeds.map((value) => names.spec(value));
    this.outputs = fetches.map((value) => names.spec(value));
    for (const input of this.inputs) parts.push(specKey(input));
    for (const { name } of this.outputs) parts.push(name);
    this.fingerprint = parts.join('|');
  }

  /** The operators as data: only what has not been compiled yet, or is looked at, is worth the work. */
  get program(): Program {
    return (this.#program ??= this.#toProgram());
  }

  /** The operator that a program's node of this name is. */
  operatorOf(name: string): OnnxNode | undefined {
    const at = this.program.nodes.findIndex(({ outputs }) => outputs[0]!.name === name);
    return this.#operators[at];
  }

  #toProgram(): Program {
    const names = new Names();
    const constants = new Map<string, NamedConstant>();
    const nodes = this.#operators.map((node): ProgramNode => {
      const { op, domain, attributes } = node;
      const inputs = node.inputs.map((operand) =>
        isConstant(operand) ? constantName(operand, constants) : names.of(operand),
      );
      const outputs = node.outputs.map((value) => names.make(value));
      return { op, domain, inputs, attributes, outputs };
    });
    const { inputs, outputs } = this;
    return { inputs, constants: [...constants.values()], nodes, outputs };
  }
}

/** The names of values, in the order in which the operators of a program come to them. */
class Names {
  readonly feeds: Value[] = [];
  readonly #names = new Map<Value, string>();
  #made = 0;

  /** The name of what an operator reads. */
  of(operand: Value | undefined): string {
    if (operand === undefined) return '';
    const known = this.#names.get(operand);
    if (known !== undefined) return known;
    const name = `i${this.feeds.length}`;
    this.#names.set(operand, name);
    this.feeds.push(operand);
    return name;
  }

  /** Names what an operator makes. */
  make(value: Value): NamedSpec {
    this.#names.set(value, `v${this.#made++}`);
    return this.spec(value);
  }

  spec(value: Value): NamedSpec {
    return { name: this.#names.get(value)!, dtype: value.dtype, shape: value.shape };
  }
}

function constantName(constant: Constant, known: Map<string, NamedConstant>): string {
  const key = constantKey(constant);
  let named = known.get(key);
  if (named === undefined) {
    named = { ...constant, name: `c${known.size}` };
    known.set(key, named);
  }
  return named.name;
}

function nodeKey({ op, domain, inputs, attributes, outputs }: OnnxNode, names: Names): string {
  let key = domain === '' ? op : `${domain}.${op}`;
  for (const operand of inputs)
    key += isConstant(operand) ? ` ${constantKey(operand)}` : ` ${names.of(operand)}`;
  for (const name in attributes) key += `,${name}=${attributeText(attributes[name]!)}`;
  for (const output of outputs) key += specKey(output);
  return key;
}

const specKey = ({ dtype, shape }: TensorSpec): string => `:${dtype}${listText(shape)}`;

function constantKey({ dtype, shape, data }: Constant): string {
  return `${dtype}[${listText(shape)}]${listText(data)}`;
}
