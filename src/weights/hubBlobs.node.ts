import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { InputError } from '../errors.js';
import { isCode, isFile, isFolder, openFile } from './files.node.js';
import type { WantedFile } from './hubCache.js';
import { hashOf } from './hubListing.js';
import type { HubRemote } from './hubRemote.node.js';
import type { ByteSource } from './source.js';

/** Whether anything of a commit is in a model's part of the cache. */
export function holdsAny(model: string, commit: string): Promise<boolean> {
  return isFolder(snapshotPath(model, commit));
}

/** A file of a commit that is there. */
export async function findBlob(
  model: string,
  commit: string,
  name: string,
): Promise<ByteSource | undefined> {
  const path = snapshotPath(model, commit, name);
  return (await isFile(path)) ? openFile(path) : undefined;
}

/**
 * Fetches a file: one in `blobs` named by its hash, to which the commit's folder has a link.
 *
 * @param writing tells why a folder cannot be written
 */
export async function storeBlob(
  model: string,
  wanted: WantedFile,
  writing: <T>(write: () => Promise<T>) => Promise<T>,
): Promise<ByteSource> {
  const makeFolder = (path: string): Promise<unknown> =>
    writing(() => mkdir(path, { recursive: true }));
  const blob = join(model, 'blobs', hashOf(wanted.file));
  if (!(await isFile(blob))) {
    await makeFolder(dirname(blob));
    await fetchBlob(blob, wanted);
  }
  const path = snapshotPath(model, wanted.commit, wanted.name);
  await makeFolder(dirname(path));
  await link(blob, path);
  return openFile(path);
}

function snapshotPath(model: string, commit: string, name = ''): string {
  return join(model, 'snapshots', commit, name);
}

async function fetchBlob(
  blob: string,
  { commit, name, file: { lfs, size: listed }, remote, onProgress }: WantedFile,
): Promise<void> {
  const incomplete = `${blob}.${randomUUID().slice(0, 8)}.incomplete`;
  const hash = createHash('sha256');
  const total = lfs?.size ?? listed;
  const tell = (loaded: number): void => onProgress?.({ file: name, loaded, total });
  const hashing = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let loaded = 0;
    tell(loaded);
    for await (const chunk of chunks) {
      hash.update(chunk);
      tell((loaded += chunk.length));
      yield chunk;
    }
  };
  const stream = await streamOf(remote, commit, name);
  try {
    await pipeline(Readable.fromWeb(stream as NodeStream), hashing, createWriteStream(incomplete));
    const came = (await stat(incomplete)).size;
    if (came !== total) throw new Error(`${came} bytes came instead of ${total}`);
    if (lfs !== undefined && hash.digest('hex') !== lfs.oid)
      throw new Error('its hash is not the one listed');
    await rename(incomplete, blob);
  } finally {
    await rm(incomplete, { force: true });
  }
}

/** The bytes of a file, as they arrive. */
async function streamOf(
  { id, access }: HubRemote,
  commit: string,
  name: string,
): Promise<ReadableStream<Uint8Array>> {
  const { downloadFile } = await import('@huggingface/hub');
  const repo = { type: 'model' as const, name: id };
  const blob = await downloadFile({ ...access, repo, path: name, revision: commit });
  if (blob !== null) return blob.stream();
  throw new InputError(`pretrained: the hub lists ${name} of ${id} and does not have it`);
}

/** A relative link, or a copy where there are none (Windows without its developer mode). */
async function link(blob: string, path: string): Promise<void> {
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    if (isCode(error, 'EEXIST')) return;
    await copyFile(blob, path);
  }
}
