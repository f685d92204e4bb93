import { InputError } from '../errors.js';
import { findPath } from '../files/fileTree.js';
import type { FileTree } from '../files/fileTree.js';
import { folderOf, joinPaths } from '../files/paths.js';
import { changed } from './csvFile.js';
import { TreeImages } from './csvImages.js';
import type { CsvImages } from './csvImages.js';
import type { CsvSource } from './csvSource.js';

/** Where a CSV file is: its path, its address, or the file itself. */
export type CsvLocation = string | URL | Blob;

/** A CSV file, the pictures that its cells name, and the files beside it. */
export interface OpenedCsv {
  readonly source: CsvSource;
  /** @param allowOutside whether pictures may lie outside the file's folder */
  images(allowOutside: boolean): CsvImages;
  /** Another CSV file, whose path may be relative to this one. */
  other(where: CsvLocation): Promise<OpenedCsv>;
}

/** A CSV file of a tree, whose pictures are there too. */
export async function openInTree(tree: FileTree, path: string): Promise<OpenedCsv> {
  const folder = folderOf(path);
  const images = (allowOutside: boolean) => new TreeImages(tree, [folder], allowOutside);
  return {
    source: blobSource(await tree.open(path), path),
    images,
    other: async (where) => {
      if (where instanceof Blob) return openBlob(where, images);
      const other =
        findPath(tree, joinPaths(folder, String(where)) ?? '') ?? findPath(tree, String(where));
      if (other !== undefined) return openInTree(tree, other);
      throw new InputError(`csv: ${tree.name} has no file ${String(where)}`);
    },
  };
}

/** A CSV file that is at hand, and where its pictures are. */
export function openBlob(blob: Blob, images: OpenedCsv['images']): OpenedCsv {
  const name = 'name' in blob ? String(blob.name) : 'the CSV';
  return {
    source: blobSource(blob, name),
    images,
    other: async (where) => {
      if (where instanceof Blob) return openBlob(where, images);
      throw new InputError(`csv: ${name} came without ${String(where)}; pass that file too`);
    },
  };
}

const streamed = 2 ** 20;

/** The bytes of a Blob; where it is a file on disk that is written to, they can no longer be read. */
function blobSource(blob: Blob, name: string): CsvSource {
  const part = async (begin: number, end: number): Promise<Uint8Array> => {
    try {
      return new Uint8Array(await blob.slice(begin, end).arrayBuffer());
    } catch (error) {
      if ((error as Error).name === 'NotReadableError') throw changed(name);
      throw new InputError(`csv: ${name} cannot be read`, { cause: error });
    }
  };
  return {
    name,
    async *stream(begin) {
      for (let at = begin; at < blob.size; at += streamed) yield part(at, at + streamed);
    },
    read: (parts) => Promise.all(parts.map(([begin, end]) => part(begin, end))),
  };
}
