// The page's own corner of the browser's private file system.

/** The folder of all that the page keeps, as the library's paths name it. */
export const keptFolder = 'bertresnet-demo';

async function folder(...path: readonly string[]): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  let directory = await root.getDirectoryHandle(keptFolder, { create: true });
  for (const name of path) directory = await directory.getDirectoryHandle(name);
  return directory;
}

/** A file that was kept, by its folders and its name; undefined where there is none, or nothing can be kept here. */
export async function readKept(...path: readonly string[]): Promise<File | undefined> {
  try {
    const directory = await folder(...path.slice(0, -1));
    return await (await directory.getFileHandle(path.at(-1)!)).getFile();
  } catch {
    return undefined;
  }
}

/** Keeps a file; rejects where the browser has no room, or lets this window keep nothing. */
export async function keep(name: string, content: Blob | string): Promise<void> {
  const handle = await (await folder()).getFileHandle(name, { create: true });
  const writable = await handle.createWritable();
  await writable.write(content);
  await writable.close();
}

/** Removes what was kept under these names, files and folders. */
export async function forgetKept(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      await (await folder()).removeEntry(name, { recursive: true });
    } catch {
      // There was nothing.
    }
  }
}

/** The files of a folder, by name. */
export async function filesIn(...path: readonly string[]): Promise<Map<string, File>> {
  const directory = await folder(...path);
  // TypeScript's types of a page lack the listing.
  const { values } = directory as unknown as { values(): AsyncIterable<FileSystemHandle> };
  const files = new Map<string, File>();
  for await (const entry of values.call(directory)) {
    if (entry.kind === 'file')
      files.set(entry.name, await (entry as FileSystemFileHandle).getFile());
  }
  return files;
}
