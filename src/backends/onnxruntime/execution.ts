import type { BackendValues } from '@tensorflow/tfjs-core';
import type { HostNode, Value } from './graph.js';
import type { Step } from './plan.js';
import type { Program } from './program.js';
import { workingSet } from './workingSet.js';

/** A plan on its way. Whoever comes next goes on where the one before has stopped, which then finds nothing to do. */
export class Execution {
  #next = 0;
  readonly #free: ReadonlyMap<Step, readonly boolean[]>;
  /** What a program makes for work on the host alone, and that work. */
  readonly #readers = new Map<Value, HostNode>();

  /**
   * @param isHeld whether a tensor holds these bytes. What one holds now may be read by what is recorded before its
   * turn comes, even if it is let go of by then: nothing may write over it.
   */
  constructor(
    private readonly steps: readonly Step[],
    isHeld: (buffer: BackendValues) => boolean,
  ) {
    this.#free = new Map(
      steps.flatMap((step) =>
        step.kind === 'program'
          ? []
          : [
              [
                step,
                step.node.inputs.map(
                  ({ holders, buffer }) =>
                    holders === 0 && (buffer === undefined || !isHeld(buffer)),
                ),
              ],
            ],
      ),
    );
    for (const step of steps) {
      if (step.kind !== 'host') continue;
      for (const value of step.releases) this.#readers.set(value, step.node);
    }
  }

  /** The arrays that work on the host, the last to read a value that is made now, reads with it. */
  readWith(value: Value): BackendValues[] {
    const { inputs = [] } = this.#readers.get(value) ?? {};
    return inputs.flatMap(({ buffer }) => (buffer === undefined ? [] : [buffer]));
  }

  /**
   * The memory that a program should keep from run to run, in bytes: what it works in, where that is half of what the
   * whole plan works in or more. Programs that are many and run one after another had better share theirs.
   */
  worthKeeping(program: Program): number {
    const own = workingSet(program);
    let all = 0;
    for (const step of this.steps) if (step.kind === 'program') all += workingSet(step.program);
    return 2 * own >= all ? own : 0;
  }

  /** What is to be done now; undefined at the end. */
  get step(): Step | undefined {
    return this.steps[this.#next];
  }

  /** For each input of work on the host, whether no tensor held it from the start. */
  free(step: Step): readonly boolean[] {
    return this.#free.get(step)!;
  }

  /** Goes on behind a step that was done. */
  advance(): void {
    this.#next++;
  }

  /** Gives up. */
  stop(): void {
    this.#next = this.steps.length;
  }
}
