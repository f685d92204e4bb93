import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { InputError, messageOf } from '../errors.js';
import { isCode, isFile, isFolder, readWhole, writeFileAtomic } from './files.node.js';
import type { HubRemote } from './hubRemote.node.js';

/** A file of a commit, as the hub lists it. */
export interface HubFile {
  /** In bytes. */
  readonly size: number;
  /** Its git object. */
  readonly blobId: string;
  /** Set where it is large: its SHA-256. */
  readonly lfs?: { readonly oid: string; readonly size: number };
  readonly xetHash?: string;
}

/** The files of a commit by their names. */
export type Listing = ReadonlyMap<string, HubFile>;

/** Whether a revision is a commit, which never changes. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/**
 * A model's part of the cache that Hugging Face's tools share: `blobs` by their hash, `snapshots/<commit>` with
 * links to them, `refs/<branch>` with its commit, `trees/<commit>.json` with the commit's files.
 */
export class HubCache {
  /** The folder of the whole cache. */
  readonly folder: string;
  readonly #model: string;

  constructor(folder: string, id: string) {
    this.folder = folder;
    this.#model = join(folder, `models--${id.replace('/', '--')}`);
  }

  /** The commit that a branch stood for when it was last asked. */
  async readRef(revision: string): Promise<string | undefined> {
    const path = this.#refPath(revision);
    if (!(await isFile(path))) return undefined;
    const commit = new TextDecoder().decode(await readWhole(path)).trim();
    return isCommit(commit) ? commit : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (!isCommit(commit)) throw new Error(`the hub gave '${commit}' as the commit of ${revision}`);
    await this.#writing(() => writeFileAtomic(this.#refPath(revision), commit));
  }

  /** What a commit holds, if that was ever asked. */
  async readListing(commit: string): Promise<Listing | undefined> {
    const path = this.#listingPath(commit);
    if (!(await isFile(path))) return undefined;
    return parseListing(new TextDecoder().decode(await readWhole(path)));
  }

  /** Only saves a request next time, so that a cache that cannot be written will do. */
  async writeListing(commit: string, listing: Listing): Promise<void> {
    await writeFileAtomic(this.#listingPath(commit), formatListing(listing)).catch(() => {});
  }

  /** Whether anything of a commit is here. */
  holds(commit: string): Promise<boolean> {
    return isFolder(this.#snapshotPath(commit));
  }

  /** The path of a file that is here. */
  async find(commit: string, name: string): Promise<string | undefined> {
    const path = this.#snapshotPath(commit, name);
    return (await isFile(path)) ? path : undefined;
  }

  /**
   * Fetches a file. It appears under its name only when it is whole, and its size and hash are right.
   *
   * @throws InputError where the cache cannot be written or what came is damaged.
   */
  async store(commit: string, name: string, file: HubFile, remote: HubRemote): Promise<string> {
    const hash = file.lfs?.oid ?? file.blobId;
    if (!/^[0-9a-f]{40,64}$/.test(hash)) throw new Error(`'${hash}' is no hash`);
    const blob = join(this.#model, 'blobs', hash);
    if (!(await isFile(blob))) {
      await this.#makeFolder(dirname(blob));
      await fetchBlob(blob, file, await remote.download(commit, name));
    }
    const path = this.#snapshotPath(commit, name);
    await this.#makeFolder(dirname(path));
    await link(blob, path);
    return path;
  }

  #refPath(revision: string): string {
    return join(this.#model, 'refs', revision);
  }

  #listingPath(commit: string): string {
    return join(this.#model, 'trees', `${commit}.json`);
  }

  #snapshotPath(commit: string, name = ''): string {
    return join(this.#model, 'snapshots', commit, name);
  }

  #makeFolder(path: string): Promise<unknown> {
    return this.#writing(() => mkdir(path, { recursive: true }));
  }

  async #writing<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      throw new InputError(
        `pretrained: the cache ${this.folder} cannot be written: ${messageOf(error)}; ` +
          'name another by cacheDir or HF_HUB_CACHE',
      );
    }
  }
}

async function fetchBlob(
  blob: string,
  { lfs, size: listed }: HubFile,
  stream: ReadableStream<Uint8Array>,
): Promise<void> {
  const incomplete = `${blob}.${randomUUID().slice(0, 8)}.incomplete`;
  const hash = createHash('sha256');
  const hashing = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
  try {
    await pipeline(Readable.fromWeb(stream as NodeStream), hashing, createWriteStream(incomplete));
    const [came, expected] = [(await stat(incomplete)).size, lfs?.size ?? listed];
    if (came !== expected) throw new Error(`${came} bytes came instead of ${expected}`);
    if (lfs !== undefined && hash.digest('hex') !== lfs.oid)
      throw new Error('its hash is not the one listed');
    await rename(incomplete, blob);
  } finally {
    await rm(incomplete, { force: true });
  }
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

const listingVersion = 1;

interface ListedFile {
  readonly size: number;
  readonly blob_id: string;
  readonly lfs_sha256?: string;
  readonly lfs_size?: number;
  readonly xet_hash?: string;
}

function formatListing(listing: Listing): string {
  const files = [...listing].map(([name, { size, blobId, lfs, xetHash }]): [string, ListedFile] => [
    name,
    { size, blob_id: blobId, lfs_sha256: lfs?.oid, lfs_size: lfs?.size, xet_hash: xetHash },
  ]);
  return JSON.stringify(
    { format_version: listingVersion, files: Object.fromEntries(files) },
    null,
    1,
  );
}

/** A listing of an unknown version, or one that is damaged, is none: it can be had again. */
function parseListing(text: string): Listing | undefined {
  try {
    const { format_version: version, files } = JSON.parse(text) as {
      format_version: number;
      files: Record<string, ListedFile>;
    };
    if (version !== listingVersion) return undefined;
    return new Map(Object.entries(files).map(([name, file]) => [name, fromListed(file)]));
  } catch {
    return undefined;
  }
}

function fromListed({
  size,
  blob_id: blobId,
  lfs_sha256: oid,
  lfs_size,
  xet_hash: xetHash,
}: ListedFile): HubFile {
  const lfs = oid === undefined ? undefined : { oid, size: lfs_size ?? size };
  return { size, blobId, lfs, xetHash };
}
