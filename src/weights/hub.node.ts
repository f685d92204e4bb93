import { join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { isFile, isFolder, openFile, recoverFolder } from './files.node.js';
import type { FileStore, PretrainedOptions } from './hub.js';

/**
 * A folder, if the path leads to one.
 *
 * @throws InputError where it leads to something else.
 */
export async function findFolder(
  path: string,
  _options: PretrainedOptions = {},
): Promise<FileStore | undefined> {
  if (path === '' || path.includes('\0')) return undefined;
  await recoverFolder(path);
  if (await isFolder(path)) return folderStore(path);
  if (await isFile(path))
    throw new InputError(`pretrained: ${path} must be a folder, got a file; name its folder`);
  return undefined;
}

function folderStore(path: string): FileStore {
  const inside = (name: string): string => join(path, name);
  return {
    source: path,
    path: resolve(path),
    has: (name) => isFile(inside(name)),
    open: async (name) => {
      if (await isFile(inside(name))) return openFile(inside(name));
      throw new InputError(
        `pretrained: the folder ${path} has no file ${name}; is it a model's folder?`,
      );
    },
  };
}
