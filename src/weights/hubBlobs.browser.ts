import { InputError } from '../errors.js';
import { download } from './download.browser.js';
import { authorization, fileAddress } from './hubAddress.browser.js';
import { isFile, isFolder, readWhole, writeFileAtomic } from './files.browser.js';
import type { WantedFile } from './hubCache.js';
import { hashOf } from './hubListing.js';
import { KeptFile } from './keptFile.browser.js';
import { blobSource } from './source.js';
import type { ByteSource } from './source.js';

/** Whether anything of a commit is in a model's part of the cache. */
export function holdsAny(model: string, commit: string): Promise<boolean> {
  return isFolder(`${model}/snapshots/${commit}`);
}

/** A file of a commit that is there. */
export async function findBlob(
  model: string,
  commit: string,
  name: string,
): Promise<ByteSource | undefined> {
  const path = snapshotPath(model, commit, name);
  if (!(await isFile(path))) return undefined;
  const hash = new TextDecoder().decode(await readWhole(path));
  const { whole } = await KeptFile.open('', blobPath(model, hash));
  return whole && blobSource(whole.blob, name);
}

/** Fetches a file: one in `blobs` named by its hash, which stands in the commit's folder in the place of a link. */
export async function storeBlob(
  model: string,
  { commit, name, file, remote, onProgress }: WantedFile,
  writing: <T>(write: () => Promise<T>) => Promise<T>,
): Promise<ByteSource> {
  const [hash, size] = [hashOf(file), file.lfs?.size ?? file.size];
  const blob = await download({
    url: fileAddress(remote, commit, name),
    headers: authorization(remote.access),
    fetch: remote.access.fetch,
    folder: blobPath(model, hash),
    name,
    onProgress,
    expected: { size, validator: hash, sha256: file.lfs?.oid },
  });
  if (blob === undefined)
    throw new InputError(`pretrained: the hub lists ${name} and does not have it`);
  await writing(() => writeFileAtomic(snapshotPath(model, commit, name), hash));
  return blobSource(blob, name);
}

function blobPath(model: string, hash: string): string {
  return `${model}/blobs/${hash}`;
}

function snapshotPath(model: string, commit: string, name: string): string {
  return `${model}/snapshots/${commit}/${name}`;
}
