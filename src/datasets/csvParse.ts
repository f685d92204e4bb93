/** How a file is parsed, in csv-parse's terms. */
export interface CsvDialect {
  readonly bom: false;
  readonly delimiter: string;
  readonly record_delimiter: string[];
  readonly relax_column_count: true;
  readonly skip_empty_lines: true;
}

/** Called for each record, with how many bytes and empty lines lie before its end. */
export type OnRecord = (cells: string[], place: { bytes: number; emptyLines: number }) => void;

/** A parser that is fed piece by piece. */
export interface CsvParser {
  /** Resolves once the records that the bytes complete were visited; rejects as the visitor throws. */
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/**
 * RFC 4180, with any of the three line ends; empty lines are no records, ragged ones are judged by
 * the caller.
 */
export function dialectOf(delimiter: string): CsvDialect {
  return {
    bom: false,
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
  };
}

/** What csv-parse's parsers are, in Node and in the browser. */
interface ParserStream {
  write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean;
  end(): unknown;
  resume(): unknown;
  once(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'end', listener: () => void): unknown;
}

/** Feeds a stream that parses; its first error ends the write under way. */
export function feed(stream: ParserStream): CsvParser {
  const failed = new Promise<never>((_, reject) => stream.once('error', reject));
  failed.catch(() => {}); // Told by the write, or by the end.
  const ended = new Promise<void>((resolve) => stream.once('end', resolve));
  stream.resume();
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) => stream.write(bytes, () => resolve()));
  return {
    write: (bytes) => Promise.race([write(bytes), failed]),
    end: () => {
      stream.end();
      return Promise.race([ended, failed]);
    },
  };
}
