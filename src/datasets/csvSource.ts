/** The bytes of a CSV file, which must not change while they are read. */
export interface CsvSource {
  /** What messages call it. */
  readonly name: string;
  /** From `begin` to the end, piece by piece. @throws InputError where it has changed meanwhile */
  stream(begin: number): AsyncIterable<Uint8Array>;
  /**
   * Parts of the file, `[begin, end)` in bytes, cut where the file ends. They come within the call
   * where the platform can: rows at random would take a turn of the event loop each, and an engine
   * that holds the loop grants one a step.
   *
   * @throws InputError where it cannot be read, or has changed since it was opened
   */
  read(
    parts: readonly (readonly [begin: number, end: number])[],
  ): Uint8Array[] | Promise<Uint8Array[]>;
}
