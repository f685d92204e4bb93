import { findPath, openFiles } from '../files/fileTree.js';
import type { FileSource, FileTree } from '../files/fileTree.js';
import { noImages, TreeImages } from './csvImages.js';
import { openCsvPath, openImageFolder } from './csvOpen.node.js';
import { openBlob, openInTree } from './csvTree.js';
import type { CsvLocation, OpenedCsv } from './csvTree.js';

/**
 * Opens a CSV file.
 *
 * @param files what holds its pictures, and the file itself where its path names one of them;
 *   default: the folder of the CSV file.
 * @throws InputError where there is no such file.
 */
export async function openCsv(where: CsvLocation, files?: FileSource): Promise<OpenedCsv> {
  if (files === undefined)
    return where instanceof Blob ? openBlob(where, () => noImages) : openCsvPath(where);
  if (typeof files === 'string' || files instanceof URL)
    return openBeside(where, await openImageFolder(files));
  const tree = await openFiles(files);
  const path = pathIn(tree, where);
  if (path !== undefined) return openInTree(tree, path);
  const images = (allowOutside: boolean) => new TreeImages(tree, ['', tree.top], allowOutside);
  return openBeside(where, images);
}

/** A CSV file whose pictures are elsewhere. */
async function openBeside(where: CsvLocation, images: OpenedCsv['images']): Promise<OpenedCsv> {
  if (where instanceof Blob) return openBlob(where, images);
  const { source, other } = await openCsvPath(where);
  return { source, images, other: async (another) => ({ ...(await other(another)), images }) };
}

/** Where a CSV file lies in a tree, if it does. */
function pathIn(tree: FileTree, where: CsvLocation): string | undefined {
  if (typeof where === 'string') return findPath(tree, where);
  const path = where instanceof Blob && (where as File).webkitRelativePath;
  return path && tree.has(path) === true ? path : undefined;
}
