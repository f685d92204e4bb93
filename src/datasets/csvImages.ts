import { lazyFile } from '../files/fileTree.js';
import type { FileTree } from '../files/fileTree.js';
import { joinPaths } from '../files/paths.js';
import type { ImageSource } from './example.js';

/** Why a row cannot be used whole: a reason to count by, and what to say of this row. */
export interface ImageProblem {
  readonly reason: string;
  readonly detail: string;
  /** What to do about it, where that is known. */
  readonly advice?: string;
}

/** The pictures that the cells of a CSV file name. */
export interface CsvImages {
  /** Where a cell's picture is; it says nothing on whether it may be read. */
  place(cell: string): string;
  /** Why a cell's picture cannot be used, or nothing where it can, as far as is known. */
  problem(cell: string): ImageProblem | undefined;
  /** The picture of a cell that has no problem. */
  source(cell: string): ImageSource;
}

/** Pictures among files that are held or fetched. */
export class TreeImages implements CsvImages {
  readonly #tree: FileTree;
  readonly #folders: readonly string[];
  readonly #allowOutside: boolean;

  /**
   * @param folders that of the CSV file, in which the pictures must lie unless they may be outside;
   *   of several, the first that has a picture counts.
   */
  constructor(tree: FileTree, folders: readonly string[], allowOutside: boolean) {
    this.#tree = tree;
    this.#folders = folders;
    this.#allowOutside = allowOutside;
  }

  place(cell: string): string {
    return this.#found(cell) ?? cell;
  }

  problem(cell: string): ImageProblem | undefined {
    const misnamed = nameProblem(cell);
    if (misnamed !== undefined) return misnamed;
    const path = this.#found(cell);
    if (path === undefined) return outside('lies outside the folder of the CSV file');
    if (this.#tree.has(path) !== false) return undefined;
    return { reason: 'missing image', detail: `is not among the files of ${this.#tree.name}` };
  }

  source(cell: string): ImageSource {
    return lazyFile(this.#tree, this.place(cell));
  }

  /** The path that a cell means; undefined where it leads where no picture may be. */
  #found(cell: string): string | undefined {
    if (isAbsolute(cell)) return undefined;
    const paths = this.#folders.flatMap((folder) => {
      const path = joinPaths(folder, cell);
      const inside = folder === '' || path?.startsWith(`${folder}/`) === true;
      return path !== undefined && (inside || this.#allowOutside) ? [path] : [];
    });
    return paths.find((path) => this.#tree.has(path) !== false) ?? paths[0];
  }
}

/** No pictures at all: a CSV that came alone. */
export const noImages: CsvImages = {
  place: (cell) => cell,
  problem: () => unusable('came without its file; pass files, which hold the pictures'),
  source: (cell) => cell,
};

/** What no name of a picture may be, wherever it lies. */
export function nameProblem(cell: string): ImageProblem | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\/|^data:/i.test(cell))
    return unusable('is an address; pictures are read from files');
  if (cell.includes('\0')) return unusable('holds a NUL character');
  return undefined;
}

/** Whether a path begins at a root or a drive, on any system. */
export function isAbsolute(cell: string): boolean {
  return /^([a-z]:|[/\\])/i.test(cell);
}

export function unusable(detail: string): ImageProblem {
  return { reason: 'unusable image', detail };
}

export function outside(detail: string): ImageProblem {
  return {
    reason: 'image outside',
    detail,
    advice: 'pass allowOutside (--allow-outside) if that is meant',
  };
}
