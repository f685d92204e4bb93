import type { BackendValues } from '@tensorflow/tfjs-core';
import type { HostNode, Node, Value } from './graph.js';
import type { Replan, Step } from './plan.js';
import type { Program } from './program.js';
import type { MemoryUse } from './runtime.js';
import { byteLength, workingSet } from './workingSet.js';

/** A plan on its way. Whoever comes next goes on where the one before has stopped, which then finds nothing to do. */
export class Execution {
  #steps: readonly Step[] = [];
  #next = 0;
  /** The plan before anything of it failed. */
  readonly #whole: readonly Step[];
  readonly #free: ReadonlyMap<HostNode, readonly boolean[]>;
  /** What is made for work on the host alone, and that work. */
  readonly #readers = new Map<Value, HostNode>();

  /**
   * @param whole what one holds now may be read by what is recorded before its turn comes, even if it is let go of by
   * then: nothing may write over it, or release it, that would not have done so from the start.
   * @param isHeld whether a tensor holds these bytes.
   * @param replan asked where a node fails.
   */
  constructor(
    whole: readonly Step[],
    isHeld: (buffer: BackendValues) => boolean,
    private readonly replan: Replan,
  ) {
    const isFree = ({ holders, buffer }: Value): boolean =>
      holders === 0 && (buffer === undefined || !isHeld(buffer));
    this.#free = new Map(
      whole.flatMap((step) =>
        step.kind === 'program' ? [] : [[step.node, step.node.inputs.map(isFree)]],
      ),
    );
    this.#whole = whole;
    this.#begin(whole);
  }

  #begin(steps: readonly Step[]): void {
    this.#steps = steps;
    this.#next = 0;
    this.#readers.clear();
    for (const step of steps) {
      if (step.kind !== 'host') continue;
      for (const value of step.releases) this.#readers.set(value, step.node);
    }
  }

  /** Where the work on the host that reads a value last would have it. */
  placeOf(value: Value): Float32Array | undefined {
    return this.#readers.get(value)?.placeOf?.(value);
  }

  /**
   * What a program needs of memory. It should keep what it works in where that is half of what the whole plan works in or
   * more: programs that are many and run one after another had better share theirs.
   */
  memoryOf(program: Program): MemoryUse {
    const own = workingSet(program);
    let [all, most, outputs] = [0, 0, 0];
    for (const step of this.#steps) {
      if (step.kind === 'host') continue;
      const works = workingSet(step.program);
      all += works;
      most = Math.max(most, works);
      for (const output of step.outputs) outputs += byteLength(output);
    }
    return { kept: 2 * own >= all ? own : 0, plan: most + outputs };
  }

  /** What is to be done now; undefined at the end. */
  get step(): Step | undefined {
    return this.#steps[this.#next];
  }

  /** For each input of work on the host, whether no tensor held it from the start. */
  free(node: HostNode): readonly boolean[] {
    return this.#free.get(node)!;
  }

  /** Goes on behind a step that was done. */
  advance(): void {
    this.#next++;
  }

  /** Goes on with what does not need a node of this step, which failed. */
  goOnWithout(node: Node, error: unknown): void {
    const releasable = new Set(this.#whole.flatMap(({ releases }) => releases));
    this.#begin(this.replan(node, error, (value) => !releasable.has(value)));
  }

  /** Gives up. */
  stop(): void {
    this.#next = this.#steps.length;
  }
}
