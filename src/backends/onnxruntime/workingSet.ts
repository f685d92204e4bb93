import { bytesPerElement, sizeOf } from './graph.js';
import type { NamedSpec, Program } from './program.js';

/** Operators whose output is their first input under another shape. */
const views: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity']);

/** The most bytes that a program holds at once beyond its inputs, constants and outputs, run in its order. */
export function workingSet({ nodes, outputs }: Program): number {
  const source = sourcesOf(nodes);
  const last = new Map<string, number>();
  nodes.forEach(({ inputs }, at) => {
    for (const name of inputs) last.set(source.get(name) ?? name, at);
  });
  const leaving = new Set(outputs.map(({ name }) => source.get(name) ?? name));
  const held = new Map<string, number>();
  let [now, most] = [0, 0];
  nodes.forEach((node, at) => {
    for (const output of node.outputs) {
      if (source.has(output.name) || leaving.has(output.name) || !last.has(output.name)) continue;
      const bytes = byteLength(output);
      held.set(output.name, bytes);
      now += bytes;
    }
    most = Math.max(most, now);
    for (const name of new Set(node.inputs.map((input) => source.get(input) ?? input))) {
      if (last.get(name) !== at) continue;
      now -= held.get(name) ?? 0;
      held.delete(name);
    }
  });
  return most;
}

/** For each view, the name of the value whose bytes it shows. */
function sourcesOf(nodes: Program['nodes']): ReadonlyMap<string, string> {
  const source = new Map<string, string>();
  for (const { op, inputs, outputs } of nodes) {
    if (views.has(op)) source.set(outputs[0]!.name, source.get(inputs[0]!) ?? inputs[0]!);
  }
  return source;
}

/** The bytes of a value. */
export const byteLength = ({ shape, dtype }: NamedSpec): number =>
  sizeOf(shape) * bytesPerElement(dtype);
