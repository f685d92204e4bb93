// Zips: what tables one holds, and writing one.
import { BlobReader, BlobWriter, ZipReader, ZipWriter } from '@zip.js/zip.js';
import type { PickedFile } from '../protocol.js';
import { isTable } from './tableHead.js';

const quiet = { useWebWorkers: false }; // this is a worker already

/** The tables among the files of a zip. */
export async function tablesIn(zip: Blob): Promise<PickedFile[]> {
  const reader = new ZipReader(new BlobReader(zip), quiet);
  const tables: PickedFile[] = [];
  for (const entry of await reader.getEntries()) {
    if (entry.directory || !isTable(entry.filename)) continue;
    tables.push({ path: entry.filename, file: await entry.getData(new BlobWriter(), quiet) });
  }
  return tables;
}

/** A zip of some files in a folder. */
export async function zipOf(folder: string, files: ReadonlyMap<string, Blob>): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter('application/zip'), quiet);
  for (const [name, blob] of files) await writer.add(`${folder}/${name}`, new BlobReader(blob));
  return writer.close();
}
