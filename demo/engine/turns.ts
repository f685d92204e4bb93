/**
 * Lets a run pause between two steps, and others use the model there: they never see it in the middle of a step.
 */
export class Turns {
  readonly #waiting: (() => Promise<void>)[] = [];
  #paused = false;
  #wake: (() => void) | undefined;
  #isRunning = false;

  /** A run begins: from now on, work waits for its turns. */
  begin(): void {
    this.#isRunning = true;
    this.#paused = false;
  }

  /** The run is over; what still waits is done. */
  async end(): Promise<void> {
    this.#isRunning = false;
    this.#paused = false;
    await this.#work();
  }

  /** Called by the run between two steps: does what waits, and returns when the run may go on. */
  async give(): Promise<void> {
    for (;;) {
      await this.#work();
      if (this.#waiting.length > 0) continue; // it came while the last work ended
      if (!this.#paused) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  pause(): void {
    this.#paused = this.#isRunning;
  }

  resume(): void {
    this.#paused = false;
    this.#wake?.();
  }

  /** Does some work between two steps of the run, or at once where there is none. */
  take<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isRunning) return work();
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => work().then(resolve, reject));
      this.#wake?.();
    });
  }

  async #work(): Promise<void> {
    for (const work of this.#waiting.splice(0)) await work();
  }
}
