import type { Constant, ElementType, OnnxNode, TensorSpec } from './graph.js';

/**
 * A compiled unit as data: straight-line ONNX operators from inputs to outputs. Names are `i<k>` for an input,
 * `c<k>` for a constant and `v<k>` for what a node makes; an absent operand is the empty name.
 * Two traces of the same computation give equal programs, whatever the values that flow through them.
 */
export interface Program {
  readonly inputs: readonly NamedSpec[];
  readonly constants: readonly NamedConstant[];
  readonly nodes: readonly ProgramNode[];
  readonly outputs: readonly NamedSpec[];
}

export interface NamedSpec {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
}

export type NamedConstant = Constant & { readonly name: string };

export interface ProgramNode {
  readonly op: string;
  readonly domain: OnnxNode['domain'];
  readonly inputs: readonly string[];
  readonly attributes: OnnxNode['attributes'];
  readonly outputs: readonly NamedSpec[];
}

/** The text of an attribute, which is another for every other attribute. */
export function attributeText(attribute: OnnxNode['attributes'][string]): string {
  if (typeof attribute === 'string') return JSON.stringify(attribute);
  if (typeof attribute === 'number') return String(attribute);
  return 'float' in attribute ? `${exactly(attribute.float)}f` : `[${listText(attribute)}]`;
}

/** Numbers with commas between; the lists are short and many. */
export function listText(numbers: readonly number[]): string {
  let text = '';
  for (const number of numbers) text += text === '' ? exactly(number) : `,${exactly(number)}`;
  return text;
}

/** A number's text without loss: minus zero and NaN included. */
function exactly(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
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
