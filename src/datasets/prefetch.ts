/** How far ahead values are made. */
export interface PrefetchOptions {
  /** How many values are under way while one is used (default 2). */
  readonly ahead?: number;
  /** Stops everything; the generator then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Yields `make(0)` ... `make(count - 1)` in order, with the next values already under way while one
 * is used. At most `ahead` + 1 values exist at any time, the one in use included. An error surfaces
 * in the place of its value, after all values before it. When the generator ends, for whatever
 * reason, the values under way are told through their signal, and it waits until they have stopped.
 *
 * @param make makes one value; the signal says that it is no longer wanted.
 */
export async function* prefetch<T>(
  count: number,
  make: (index: number, signal: AbortSignal) => Promise<T>,
  { ahead = 2, signal }: PrefetchOptions = {},
): AsyncGenerator<T, void, undefined> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  const underWay: Promise<Outcome<T>>[] = [];
  signal?.throwIfAborted();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for (let next = 0, index = 0; index < count; index++) {
      while (next < count && next <= index + ahead)
        underWay.push(settle(make, next++, controller.signal));
      const outcome = await underWay.shift()!;
      signal?.throwIfAborted();
      if ('error' in outcome) throw outcome.error;
      yield outcome.value;
      signal?.throwIfAborted();
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    controller.abort();
    await Promise.all(underWay);
  }
}

/**
 * A promise that never rejects: an error waits until its turn comes, or is dropped with its value.
 */
async function settle<T>(
  make: (index: number, signal: AbortSignal) => Promise<T>,
  index: number,
  signal: AbortSignal,
): Promise<Outcome<T>> {
  try {
    return { value: await make(index, signal) };
  } catch (error) {
    return { error };
  }
}

/**
 * Lets at most `limit` tasks run at once; the others wait for their turn, first come, first served.
 */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
