interface Entry<T> {
  readonly promise: Promise<T>;
  /** Set once the promise has kept it. */
  value?: T;
}

/**
 * A bounded cache of promises: what was used least recently is released first, what failed is forgotten.
 */
export class PromiseCache<T> {
  readonly #entries = new Map<string, Entry<T>>();

  constructor(
    readonly capacity: number,
    private readonly release: (value: T) => Promise<void>,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /** The entry of this key, made where it is not there. */
  get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#touch(key);
    if (known !== undefined) return known.promise;
    const promise = make();
    const entry: Entry<T> = { promise };
    this.#entries.set(key, entry);
    promise.then(
      (value) => (entry.value = value),
      () => this.#entries.get(key) === entry && this.#entries.delete(key),
    );
    this.#trim();
    return promise;
  }

  /** The same within the call; an entry that is still being made is replaced. */
  getSync(key: string, make: () => T): T {
    const known = this.#touch(key);
    if (known?.value !== undefined) return known.value;
    const value = make();
    if (known !== undefined) void this.#drop(known);
    this.#entries.set(key, { promise: Promise.resolve(value), value });
    this.#trim();
    return value;
  }

  /** Releases every entry. */
  async clear(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map((entry) => this.#drop(entry)));
  }

  /** The entry, which is now the one used last. */
  #touch(key: string): Entry<T> | undefined {
    const known = this.#entries.get(key);
    if (known === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, known);
    return known;
  }

  #trim(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.capacity) return;
      this.#entries.delete(key);
      void this.#drop(entry);
    }
  }

  async #drop({ promise }: Entry<T>): Promise<void> {
    const value = await promise.catch(() => undefined);
    if (value !== undefined) await this.release(value);
  }
}
