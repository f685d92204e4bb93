import { residence } from './memory.js';

/** Executions after which a place that nobody asked for is given up. */
const PATIENCE = 8;

interface Free {
  readonly array: Float32Array<ArrayBuffer>;
  /** The execution that had it last. */
  readonly since: number;
}

/**
 * Places for gradients in the memories that hold parameters: a program writes there what AdamW reads next, and the
 * next step writes there again, so that no gradient is allocated, copied or brought in.
 */
export class Places {
  /** Those that nobody has, by their length. */
  readonly #free = new Map<number, Free[]>();
  readonly #lent = new WeakSet<Float32Array>();
  #execution = 0;

  /** A place as long as an array of the residence, in its memory, holding anything; undefined where there is none. */
  takeBeside(array: Float32Array): Float32Array<ArrayBuffer> | undefined {
    const places = this.#free.get(array.length) ?? [];
    const at = places.findLastIndex(({ array: { buffer } }) => buffer === array.buffer);
    const place = at === -1 ? residence.allocateBeside(array) : places.splice(at, 1)[0]!.array;
    if (place !== undefined) this.#lent.add(place);
    return place;
  }

  /** Makes a place of the residence available. */
  add(array: Float32Array<ArrayBuffer>): void {
    const place = { array, since: this.#execution };
    const places = this.#free.get(array.length);
    if (places === undefined) this.#free.set(array.length, [place]);
    else places.push(place);
  }

  /** Takes back an array that was lent here; false for any other. */
  giveBack(array: ArrayBufferView): boolean {
    if (!this.#lent.delete(array as Float32Array)) return false;
    this.add(array as Float32Array<ArrayBuffer>);
    return true;
  }

  /** Says that an execution has ended. What was not used for some of them goes back to the residence. */
  endExecution(): void {
    this.#execution++;
    for (const [length, places] of this.#free) {
      const kept = places.filter(({ since }) => this.#execution - since <= PATIENCE);
      if (kept.length === 0) this.#free.delete(length);
      else if (kept.length < places.length) this.#free.set(length, kept);
    }
  }
}

/** Where the engine's programs write gradients. */
export const places = new Places();
