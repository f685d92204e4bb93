import { InputError, messageOf } from '../errors.js';
import { isFile, readWhole, writeFileAtomic } from './files.node.js';
import type { DownloadProgress } from './hub.js';
import { findBlob, holdsAny, storeBlob } from './hubBlobs.node.js';
import { formatListing, hashOf, isCommit, parseListing } from './hubListing.js';
import type { HubFile, Listing } from './hubListing.js';
import type { HubRemote } from './hubRemote.node.js';
import type { ByteSource } from './source.js';

/** A file of a commit that is to be had. */
export interface WantedFile {
  readonly commit: string;
  readonly name: string;
  readonly file: HubFile;
  readonly remote: HubRemote;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/**
 * A model's part of the cache that Hugging Face's tools share: `blobs` by their hash, `snapshots/<commit>` that leads to
 * them, `refs/<branch>` with its commit, `trees/<commit>.json` with the commit's files.
 */
export class HubCache {
  /** The folder of the whole cache. */
  readonly folder: string;
  readonly #model: string;

  constructor(folder: string, id: string) {
    this.folder = folder;
    this.#model = `${folder}/models--${id.replace('/', '--')}`;
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
    return holdsAny(this.#model, commit);
  }

  /** Whether a file is here. */
  async has(commit: string, name: string): Promise<boolean> {
    const file = await this.find(commit, name);
    await file?.close();
    return file !== undefined;
  }

  /** A file that is here; whoever asks for it closes it. */
  find(commit: string, name: string): Promise<ByteSource | undefined> {
    return findBlob(this.#model, commit, name);
  }

  /**
   * Fetches a file. It appears under its name only when it is whole, and its size and hash are right.
   *
   * @throws InputError where the cache cannot be written or what came is damaged.
   */
  async store(wanted: WantedFile): Promise<ByteSource> {
    hashOf(wanted.file);
    return storeBlob(this.#model, wanted, (write) => this.#writing(write));
  }

  #refPath(revision: string): string {
    return `${this.#model}/refs/${revision}`;
  }

  #listingPath(commit: string): string {
    return `${this.#model}/trees/${commit}.json`;
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
