/** Memory that a program holds from run to run. */
export interface Arena {
  /** Whether it holds any. */
  readonly kept: boolean;
  /** Says that the program is gone. */
  release(): void;
}

/**
 * Decides which programs keep the memory that they compute in. Fresh memory is brought in and cleared page by page by
 * the system with every run, which in a training step takes a tenth of the time; but what a program keeps no other one
 * can use, so together they keep no more than a limit.
 */
export class Arenas {
  #kept = 0;

  /** @param limit bytes */
  constructor(private readonly limit: number) {}

  /** @param bytes what the program needs beyond its inputs and outputs; 0 where it is not worth keeping */
  open(bytes: number): Arena {
    const kept = bytes > 0 && this.#kept + bytes <= this.limit;
    let held = kept ? bytes : 0;
    this.#kept += held;
    return {
      kept,
      release: () => {
        this.#kept -= held;
        held = 0;
      },
    };
  }
}
