/** How long steps take: the mean of the last ones, without those that had to be compiled first. */
export class Pace {
  readonly #times: number[] = [];
  #last = performance.now();

  /** A step begins, or the clock starts anew after a pause. */
  start(): void {
    this.#last = performance.now();
  }

  /** A step is done. */
  step(): void {
    const now = performance.now();
    this.#times.push(now - this.#last);
    if (this.#times.length > 30) this.#times.shift();
    this.#last = now;
  }

  /** Seconds a step: half of the steps take less. */
  get seconds(): number {
    if (this.#times.length === 0) return 0;
    const sorted = this.#times.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)]! / 1000;
  }
}
