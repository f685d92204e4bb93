/**
 * A record as it streams past: its cells, the bytes it takes in the file, and the line on which it
 * begins.
 */
export interface ScannedRecord {
  readonly cells: string[];
  readonly start: number;
  readonly end: number;
  readonly line: number;
  /**
   * Reads the record's bytes and says whether they are valid UTF-8 (slow: asked only where it is in
   * doubt).
   */
  isUtf8(): boolean;
}

/** Counts rows, lines and bytes as records stream past. Row 0 is the header. */
export class Place {
  row = 0;
  #start: number;
  /** Lines that lie wholly before the next record, empty ones not counted. */
  #lines = 0;
  #emptyLines = 0;

  constructor(start: number) {
    this.#start = start;
  }

  /** Where the next record begins, in bytes of the file. */
  get start(): number {
    return this.#start;
  }

  /** The line on which the next record begins, as an editor numbers it. */
  get line(): number {
    return this.#lines + this.#emptyLines + 1;
  }

  /**
   * Moves past a record.
   *
   * @param end where it ends, in bytes of the file.
   * @param emptyLines how many empty lines there were before its end.
   */
  next(
    cells: readonly string[],
    end: number,
    emptyLines: number,
  ): { start: number; end: number; line: number } {
    this.#emptyLines = emptyLines;
    const place = { start: this.#start, end, line: this.line };
    this.#start = end;
    this.#lines++;
    for (const cell of cells) this.#lines += lineEnds(cell);
    this.row++;
    return place;
  }
}

function lineEnds(cell: string): number {
  let count = 0;
  for (let at = cell.indexOf('\n'); at !== -1; at = cell.indexOf('\n', at + 1)) count++;
  for (let at = cell.indexOf('\r'); at !== -1; at = cell.indexOf('\r', at + 1))
    if (cell[at + 1] !== '\n') count++;
  return count;
}
