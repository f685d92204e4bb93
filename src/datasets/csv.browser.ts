import { unavailable } from '../unavailable.browser.js';
import type { ScannedRecord } from './csvPlace.js';

/** A CSV file that is read in two ways: once from end to end, then records by their place. */
export class CsvFile {
  readonly path!: string;
  readonly folder!: string;

  static async open(path: string, _delimiter: string): Promise<CsvFile> {
    throw unavailable('csv', `the file ${path}`);
  }

  async header(): Promise<string[]> {
    throw unavailable('csv', 'a file');
  }

  async scan(_visit: (record: ScannedRecord) => void): Promise<string> {
    throw unavailable('csv', 'a file');
  }

  async records(_places: readonly { start: number; end: number }[]): Promise<string[][]> {
    throw unavailable('csv', 'a file');
  }
}

/** The path itself where it exists, else the path of that name in a folder where that exists. */
export function findFile(path: string, _folder: string): string {
  return path;
}

/** A SHA-256 of text and numbers, in hexadecimal. */
export function digest(
  ..._parts: readonly (string | Uint8Array | Uint32Array | Int32Array | Float64Array)[]
): string {
  throw unavailable('csv', 'a digest');
}
