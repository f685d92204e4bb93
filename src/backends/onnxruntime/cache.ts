interface Entry<T> {
  readonly value: Promise<T>;
  readonly weight: number;
}

/** The bounds of a {@link PromiseCache}. */
export interface CacheBounds {
  /** The most entries. */
  readonly entries: number;
  /** The most that the entries may weigh together, where there are more than `spared`. */
  readonly weight: number;
  /** This many entries, those used last, stay however much they weigh. */
  readonly spared: number;
}

/**
 * A bounded cache of promises: what was used least recently is released first, what failed is forgotten.
 */
export class PromiseCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  #weight = 0;
  hits = 0;
  misses = 0;

  constructor(
    readonly bounds: CacheBounds,
    private readonly release: (value: T) => Promise<void>,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /** The entry of this key, made where it is not there. */
  get(key: string, make: () => { value: Promise<T>; weight: number }): Promise<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.hits++;
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value;
    }
    this.misses++;
    const made = make();
    this.#entries.set(key, made);
    this.#weight += made.weight;
    made.value.catch(() => this.#remove(key, made));
    this.#trim();
    return made.value;
  }

  /** Releases every entry. */
  async clear(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    this.#weight = 0;
    await Promise.all(entries.map((entry) => this.#drop(entry)));
  }

  #trim(): void {
    const { entries, weight, spared } = this.bounds;
    for (const [key, entry] of this.#entries) {
      const isOver = this.#entries.size > entries || this.#weight > weight;
      if (!isOver || this.#entries.size <= spared) return;
      this.#remove(key, entry);
      void this.#drop(entry);
    }
  }

  #remove(key: string, entry: Entry<T>): void {
    if (this.#entries.get(key) !== entry) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }

  async #drop({ value }: Entry<T>): Promise<void> {
    const made = await value.catch(() => undefined);
    if (made !== undefined) await this.release(made);
  }
}
