import { residence } from './memory.js';

/** Executions after which a place that nobody asked for is given up. */
const PATIENCE = 8;

interface Free {
  readonly array: Float32Array<ArrayBuffer>;
  /** The execution that had it last. */
  readonly since: number;
}

/** Where a variable and its two moments stand in one memory. */
export type Home = readonly [variable: Float32Array, expAvg: Float32Array, expAvgSq: Float32Array];

/**
 * Places in the memories that hold parameters: a program writes a gradient where AdamW reads it next, beside the parameter
 * and its moments, and the next step writes there again, so that no gradient is allocated, copied or brought in.
 */
export class Places {
  /** Those for gradients that nobody has, by their length. */
  readonly #free = new Map<number, Free[]>();
  readonly #lent = new WeakSet<Float32Array>();
  /** Where variables are to move to with their first update. */
  readonly #homes = new WeakMap<Float32Array, Home>();
  #execution = 0;

  /** A place for the gradient of a variable, which holds anything; undefined where there is none. */
  takeFor(variable: Float32Array): Float32Array<ArrayBuffer> | undefined {
    const beside =
      residence.slabOf(variable) === undefined ? this.#prepare(variable)?.[0] : variable;
    return beside && this.#takeBeside(beside);
  }

  /** Where a variable that stands elsewhere is to move to; undefined where no memory can be had. */
  homeOf(variable: Float32Array): Home | undefined {
    const home = this.#prepare(variable);
    this.#homes.delete(variable);
    return home;
  }

  /** Takes back an array that was lent here; false for any other. */
  giveBack(array: ArrayBufferView): boolean {
    if (!this.#lent.delete(array as Float32Array)) return false;
    this.#add(array as Float32Array<ArrayBuffer>);
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

  /** Finds a home for a variable, with room for its gradient beside it. */
  #prepare(variable: Float32Array): Home | undefined {
    const known = this.#homes.get(variable);
    if (known !== undefined) return known;
    const arrays = residence.allocate(variable.length, 4);
    if (arrays === undefined) return undefined;
    const [p, m, v, gradient] = arrays as [...Home, Float32Array<ArrayBuffer>];
    this.#add(gradient);
    this.#homes.set(variable, [p, m, v]);
    return [p, m, v];
  }

  #takeBeside(array: Float32Array): Float32Array<ArrayBuffer> | undefined {
    const places = this.#free.get(array.length) ?? [];
    const at = places.findLastIndex(({ array: { buffer } }) => buffer === array.buffer);
    const place = at === -1 ? residence.allocateBeside(array) : places.splice(at, 1)[0]!.array;
    if (place !== undefined) this.#lent.add(place);
    return place;
  }

  #add(array: Float32Array<ArrayBuffer>): void {
    const place = { array, since: this.#execution };
    const places = this.#free.get(array.length);
    if (places === undefined) this.#free.set(array.length, [place]);
    else places.push(place);
  }
}

/** Where the engine's programs write gradients. */
export const places = new Places();
