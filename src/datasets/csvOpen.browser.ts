import { directoryTree, addressTree } from '../files/fileTree.js';
import type { FileTree } from '../files/fileTree.js';
import { findDirectory, findFile, split } from '../files/opfs.browser.js';
import { lastPart } from '../files/paths.js';
import { mayBePrivate } from '../files/privatePath.browser.js';
import { TreeImages } from './csvImages.js';
import type { CsvImages } from './csvImages.js';
import { openInTree } from './csvTree.js';
import type { OpenedCsv } from './csvTree.js';

/** Opens a file by its path in the private file system where it is there, else by its address. */
export async function openCsvPath(where: string | URL): Promise<OpenedCsv> {
  const path = String(where);
  if ((await isPath(where)) && (await findFile(path)) !== undefined) {
    const { folder, name } = split(path);
    return openInTree(await directoryTree((await findDirectory(folder))!), name);
  }
  const address = new URL(path, location.href);
  const name = decodeURIComponent(lastPart(address.pathname));
  return openInTree(addressTree(new URL('.', address)), name);
}

/** The pictures of a folder of the private file system, or those below an address. */
export async function openImageFolder(
  where: string | URL,
): Promise<(allowOutside: boolean) => CsvImages> {
  const directory = (await isPath(where)) ? await findDirectory(String(where)) : undefined;
  const tree: FileTree =
    directory === undefined
      ? addressTree(new URL(String(where), location.href))
      : await directoryTree(directory);
  return (allowOutside) => new TreeImages(tree, [''], allowOutside);
}

async function isPath(where: string | URL): Promise<boolean> {
  return typeof where === 'string' && mayBePrivate(where);
}
