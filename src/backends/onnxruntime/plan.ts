import { isValue } from './graph.js';
import type { HostNode, Node, Operand, Value } from './graph.js';
import { ProgramStep } from './programStep.js';

/** Work on the host between two programs. */
export interface HostStep {
  readonly kind: 'host';
  readonly node: HostNode;
  /** For each input, whether nothing that is still to run reads its bytes. */
  readonly last: readonly boolean[];
  /** What nothing reads any more once the step has run, neither a tensor nor a later step. */
  readonly releases: Value[];
}

/** One step of a plan. */
export type Step = ProgramStep | HostStep;

/** Plans what is left without what needs a node that failed; what is held must not be released. */
export type Replan = (
  failed: Node,
  error: unknown,
  isHeld: (value: Value) => boolean,
) => readonly Step[];

/**
 * The steps that compute `roots`, in order. Segments, and within them work on the host, cut the graph in levels: all
 * operators of one level form one program, and a value that a later level or the host reads is an output of its level.
 *
 * @param isHeld whether somebody may still read a value when no step does.
 * @throws the error of what they need and could not be computed; see `withoutBroken`.
 */
export function plan(roots: readonly Value[], isHeld = hasHolders): Step[] {
  const order = topologicalOrder(roots);
  assignLevels(order);
  const needed = neededAcrossLevels(order, roots);
  const readers = readersOfHostInputs(order);
  const isLast = (value: Value, reader: Node, level: number): boolean =>
    readers
      .get(value.buffer ?? value)!
      .every(
        (other) =>
          other === reader ||
          other.level < level ||
          (other.kind === 'onnx' && other.level === level),
      );
  const steps: Step[] = [];
  for (const [level, nodes] of byLevel(order)) {
    const operators = nodes.filter((node) => node.kind === 'onnx');
    if (operators.length > 0) steps.push(new ProgramStep(operators, needed));
    for (const node of nodes) {
      if (node.kind !== 'host') continue;
      const last = node.inputs.map((input) => isLast(input, node, level));
      steps.push({ kind: 'host', node, last, releases: [] });
    }
  }
  release(steps, new Set(roots), isHeld);
  return steps;
}

/** The nodes of each level, the levels in their order. */
function byLevel(order: readonly Node[]): [number, Node[]][] {
  const groups = new Map<number, Node[]>();
  for (const node of order) {
    const group = groups.get(node.level);
    if (group === undefined) groups.set(node.level, [node]);
    else group.push(node);
  }
  return [...groups].toSorted(([a], [b]) => a - b);
}

const hasHolders = ({ holders }: Value): boolean => holders > 0;

/** Has each value that is neither kept nor held released by the last step that touches it. */
function release(
  steps: readonly Step[],
  kept: Set<Value>,
  isHeld: (value: Value) => boolean,
): void {
  for (const step of steps.toReversed()) {
    const touched =
      step.kind === 'program'
        ? [...step.feeds, ...step.fetches]
        : [...step.node.inputs, ...step.node.outputs];
    for (const value of touched) {
      if (isHeld(value) || kept.has(value)) continue;
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
      if (!isValue(input)) continue;
      readers.get(input.buffer ?? input)?.push(node);
    }
  }
  return readers;
}

/** Counts the walks over graphs, so that each knows the nodes that it has met. */
let walks = 0;

/** The nodes that lead to the roots, each after those that it reads. */
export function topologicalOrder(roots: readonly Value[]): Node[] {
  const walk = ++walks;
  const order: Node[] = [];
  // The path that is being followed: each node with the number of the input to look at next.
  const path: Node[] = [];
  const next: number[] = [];
  for (const root of roots) {
    const first = producer(root);
    if (first === undefined || first.walk === walk) continue;
    path.push(first);
    next.push(0);
    while (path.length > 0) {
      const top = path.length - 1;
      const node = path[top]!;
      if (next[top]! < node.inputs.length) {
        const source = producer(node.inputs[next[top]!++]);
        if (source === undefined || source.walk === walk) continue;
        path.push(source);
        next.push(0);
      } else {
        path.pop();
        next.pop();
        node.walk = walk;
        order.push(node);
      }
    }
  }
  return order;
}

/** The node that has still to make an operand. */
function producer(operand: Operand): Node | undefined {
  return isValue(operand) && operand.buffer === undefined ? operand.node : undefined;
}

/** Why an operand could not be computed, where that was tried. */
const errorOf = (operand: Operand): Error | undefined =>
  isValue(operand) ? operand.error : undefined;

/** The roots that do not need what failed; all that does has failed with it from here on. */
export function withoutBroken(roots: readonly Value[]): Value[] {
  const sound = (values: readonly Value[]) => values.filter(({ error }) => error === undefined);
  const left = sound(roots);
  for (const node of topologicalOrder(left)) {
    const error = node.inputs.map(errorOf).find((found) => found !== undefined);
    if (error !== undefined) fail(node, error);
  }
  return sound(left);
}

/** Says of all that a node makes why it could not be computed. */
export function fail(node: Node, error: Error): void {
  for (const output of node.outputs) output.error ??= error;
}

/** Gives each node its level: above those of earlier segments and of what it reads from the host. */
function assignLevels(order: readonly Node[]): void {
  let [segment, base, top] = [-1, 0, -1];
  for (const node of bySegment(order)) {
    if (node.segment !== segment) [segment, base] = [node.segment, top + 1];
    let level = base;
    for (const input of node.inputs) {
      const error = errorOf(input);
      if (error !== undefined) throw error;
      const source = producer(input);
      if (source === undefined) continue;
      level = Math.max(level, source.level + (source.kind === 'host' ? 1 : 0));
    }
    node.level = level;
    top = Math.max(top, level);
  }
}

/** The nodes by segment, otherwise in their order; most often they are that already. */
function bySegment(order: readonly Node[]): readonly Node[] {
  const isSorted = order.every(({ segment }, i) => i === 0 || order[i - 1]!.segment <= segment);
  return isSorted ? order : order.toSorted((a, b) => a.segment - b.segment);
}

/** The values that must leave their program: the roots, and what another level or the host reads. */
function neededAcrossLevels(order: readonly Node[], roots: readonly Value[]): ReadonlySet<Value> {
  const needed = new Set<Value>(roots);
  for (const node of order) {
    for (const input of node.inputs) {
      const source = producer(input);
      if (source === undefined) continue;
      if (node.kind === 'host' || source.level !== node.level) needed.add(input as Value);
    }
  }
  return needed;
}
