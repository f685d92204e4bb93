import type { MemoryUse } from './runtime.js';

/** Memory that a program holds from run to run. */
export interface Arena {
  /** Whether it holds any of its own. */
  readonly kept: boolean;
  /** Says that the program is about to run. */
  use(): void;
  /** Says that the program is gone. */
  release(): void;
}

/** Memory that stays with the process, for all programs. */
export interface SharedMemory {
  /** Whether there is such memory here. */
  readonly isAvailable: boolean;
  /** Sees to it that so many bytes stay. */
  reserve(bytes: number): void;
  /** Gives them back. */
  release(): void;
}

/** Below this many bytes memory is not worth sharing: allocators keep that much by themselves. */
const SMALL = 2 ** 23;

/**
 * Decides which memory programs compute in. Fresh memory is brought in and cleared page by page by the system with every
 * run, which in a training step takes a tenth of the time and more. So it stays with the process, for one program
 * after another; where that cannot be, programs keep some for themselves, but what one keeps no other one can
 * use, so together they keep no more than a limit.
 */
export class Arenas {
  #kept = 0;
  /** The programs that compute in shared memory. */
  #sharing = 0;

  /**
   * @param limit bytes that programs keep for themselves
   * @param shared where there is such memory
   */
  constructor(
    private readonly limit: number,
    private readonly shared?: SharedMemory,
  ) {}

  /** What a program that uses so much memory may hold. */
  open({ kept, plan }: MemoryUse): Arena {
    if (kept >= SMALL && this.shared?.isAvailable === true) return this.#share(this.shared, plan);
    const isKept = kept > 0 && this.#kept + kept <= this.limit;
    const held = isKept ? kept : 0;
    this.#kept += held;
    return { kept: isKept, use: () => {}, release: once(() => (this.#kept -= held)) };
  }

  /**
   * Memory stays from the second run on: what runs once needs none, and what the first step of a training leaves behind, such
   * as the arrays that parameters were read into, is gone by then.
   */
  #share(shared: SharedMemory, bytes: number): Arena {
    this.#sharing++;
    let runs = 0;
    const use = () => {
      if (++runs === 2) shared.reserve(bytes);
    };
    const release = () => {
      if (--this.#sharing === 0) shared.release();
    };
    return { kept: false, use, release: once(release) };
  }
}

/** The same, done the first time only. */
function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
