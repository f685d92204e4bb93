/**
 * A bounded cache of promises: what was used least recently is released first, what failed is forgotten.
 */
export class PromiseCache<T> {
  readonly #entries = new Map<string, Promise<T>>();

  constructor(
    readonly capacity: number,
    private readonly release: (value: T) => Promise<void>,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /** The entry of this key, made where it is not there. */
  get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const made = make();
    this.#entries.set(key, made);
    made.catch(() => this.#entries.delete(key));
    this.#trim();
    return made;
  }

  /** Releases every entry. */
  async clear(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map((entry) => this.#drop(entry)));
  }

  #trim(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.capacity) return;
      this.#entries.delete(key);
      void this.#drop(entry);
    }
  }

  async #drop(entry: Promise<T>): Promise<void> {
    const value = await entry.catch(() => undefined);
    if (value !== undefined) await this.release(value);
  }
}
