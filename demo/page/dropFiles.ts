import type { PickedFile } from '../protocol.js';

/** All files of a drop; folders are walked through. */
export async function filesOf(transfer: DataTransfer): Promise<PickedFile[]> {
  // Entries must be taken before the first await: the drop is gone after it.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const loose = chosen(transfer.files);
  const found = entries.filter((entry) => entry !== null);
  if (found.length === 0) return loose;
  return (await Promise.all(found.map(walk))).flat();
}

/** The files of an input, with their paths where a folder was chosen. */
export function chosen(files: Iterable<File> | ArrayLike<File>): PickedFile[] {
  return Array.from(files, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function walk(entry: FileSystemEntry): Promise<PickedFile[]> {
  if (entry.isFile) return [await fileOf(entry as FileSystemFileEntry)];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: PickedFile[] = [];
  for (;;) {
    // A reader gives some hundred entries at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return files;
    files.push(...(await Promise.all(some.map(walk))).flat());
  }
}

async function fileOf(entry: FileSystemFileEntry): Promise<PickedFile> {
  const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
  return { path: entry.fullPath.replace(/^\//, ''), file };
}
