import { opendirSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { hashStrings, KeySet } from './csvHash.js';
import { isAbsolute as isRooted, nameProblem, outside, unusable } from './csvImages.js';
import type { CsvImages, ImageProblem } from './csvImages.js';

/**
 * The pictures that lie in a CSV file's folder. Folders are listed once and their files kept as
 * hashes, so that a million rows cost no million system calls.
 */
export class ImageFolder implements CsvImages {
  readonly #root: string;
  readonly #allowOutside: boolean;
  readonly #listed = new Set<string>();
  readonly #files = new KeySet();

  /** @param root the CSV file's folder, without symbolic links. */
  constructor(root: string, allowOutside: boolean) {
    this.#root = root;
    this.#allowOutside = allowOutside;
  }

  /** The absolute path that a cell names. */
  place(cell: string): string {
    return resolve(this.#root, cell.replaceAll('\\', '/'));
  }

  source(cell: string): string {
    return this.place(cell);
  }

  problem(cell: string): ImageProblem | undefined {
    const misnamed = nameProblem(cell);
    if (misnamed !== undefined) return misnamed;
    const path = this.place(cell);
    if (!this.#allowOutside && this.#leaves(cell, path))
      return outside('lies outside the folder of the CSV file');
    const folder = dirname(path);
    if (!this.#listed.has(folder)) this.#list(folder);
    return this.#files.has(hashStrings(path)) ? undefined : this.#examined(path);
  }

  #leaves(cell: string, path: string): boolean {
    return isRooted(cell) || this.#isOutside(path);
  }

  #isOutside(path: string): boolean {
    const way = relative(this.#root, path);
    return way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way);
  }

  /**
   * Notes the regular files of a folder. Links and what a listing does not show are examined one by
   * one.
   */
  #list(folder: string): void {
    this.#listed.add(folder);
    try {
      if (!this.#allowOutside && this.#isOutside(realpathSync(folder))) return;
      const entries = opendirSync(folder, { bufferSize: 512 });
      try {
        for (let entry = entries.readSync(); entry; entry = entries.readSync()) {
          if (entry.isFile()) this.#files.add(hashStrings(join(folder, entry.name)));
        }
      } finally {
        entries.closeSync();
      }
    } catch {
      // A folder that cannot be listed may still hold files that can be read.
    }
  }

  #examined(path: string): ImageProblem | undefined {
    try {
      const real = realpathSync(path);
      if (!this.#allowOutside && this.#isOutside(real)) {
        return outside('leads outside the folder of the CSV file through a symbolic link');
      }
      return statSync(real).isFile() ? undefined : unusable('is not a file');
    } catch (error) {
      const { code } = error as { code?: string };
      const absent = code === 'ENOENT' || code === 'ENOTDIR';
      return absent
        ? { reason: 'missing image', detail: `does not exist (${path})` }
        : unusable(`cannot be read (${code})`);
    }
  }
}
