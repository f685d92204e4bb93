/**
 * What is remembered of a row: 33 bytes in typed arrays. Its cells are read again from the file.
 */
export interface IndexedRow {
  /** The bytes of its record, `[start, end)`. */
  readonly start: number;
  readonly end: number;
  /** The line on which it begins, from 1, as an editor numbers it. */
  readonly line: number;
  /** The number of its record, from 1, the header not counted. */
  readonly record: number;
  /** The index of its label, -1 where it has none. */
  readonly label: number;
  /** See `hashStrings`. */
  readonly key: number;
  readonly hasText: boolean;
  readonly hasImage: boolean;
}

/** The rows of a CSV file, one typed array a field. */
export class RowIndex {
  size = 0;
  #capacity = 1024;
  #start = new Float64Array(this.#capacity);
  #length = new Uint32Array(this.#capacity);
  #line = new Uint32Array(this.#capacity);
  #record = new Uint32Array(this.#capacity);
  #label = new Int32Array(this.#capacity);
  #key = new Float64Array(this.#capacity);
  #parts = new Uint8Array(this.#capacity);

  push(row: IndexedRow): void {
    if (this.size === this.#capacity) this.#resize(2 * this.#capacity);
    const position = this.size++;
    this.#start[position] = row.start;
    this.#length[position] = row.end - row.start;
    this.#line[position] = row.line;
    this.#record[position] = row.record;
    this.#label[position] = row.label;
    this.#key[position] = row.key;
    this.#parts[position] = (row.hasText ? 1 : 0) | (row.hasImage ? 2 : 0);
  }

  at(position: number): IndexedRow {
    const start = this.#start[position]!;
    const parts = this.#parts[position]!;
    return {
      start,
      end: start + this.#length[position]!,
      line: this.#line[position]!,
      record: this.#record[position]!,
      label: this.#label[position]!,
      key: this.#key[position]!,
      hasText: (parts & 1) !== 0,
      hasImage: (parts & 2) !== 0,
    };
  }

  label(position: number): number {
    return this.#label[position]!;
  }

  key(position: number): number {
    return this.#key[position]!;
  }

  /** Renumbers the labels: `to[old]` is the new index of a label. */
  relabel(to: readonly number[]): void {
    for (let i = 0; i < this.size; i++) {
      const label = this.#label[i]!;
      if (label >= 0) this.#label[i] = to[label]!;
    }
  }

  /** Gives back what the arrays hold in reserve. */
  trim(): void {
    this.#resize(this.size);
  }

  /** The bytes that say which rows were kept, and what of them. */
  identity(): readonly (Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>)[] {
    return [this.#record, this.#parts];
  }

  #resize(capacity: number): void {
    this.#capacity = capacity;
    this.#start = resized(this.#start, capacity);
    this.#length = resized(this.#length, capacity);
    this.#line = resized(this.#line, capacity);
    this.#record = resized(this.#record, capacity);
    this.#label = resized(this.#label, capacity);
    this.#key = resized(this.#key, capacity);
    this.#parts = resized(this.#parts, capacity);
  }
}

type Column =
  | Float64Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

function resized<T extends Column>(old: T, capacity: number): T {
  if (capacity <= old.length) return old.slice(0, capacity) as T;
  const larger = new (old.constructor as new (length: number) => T)(capacity);
  larger.set(old as never);
  return larger;
}
