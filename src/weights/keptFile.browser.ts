import { Pieces } from '../files/pieces.browser.js';
import { isFile, readWhole, remove, writeFileAtomic } from './files.browser.js';

/** What tells one content of a file from another. */
export interface Version {
  /** An ETag, a date, or a hash; undefined where a server gives none. */
  readonly validator?: string;
  /** In bytes; undefined where a server does not say. */
  readonly size?: number;
}

/** A file that is here, whole. */
export interface WholeFile extends Version {
  readonly size: number;
  readonly blob: Blob;
}

/** A file that has begun to arrive. */
export interface PartialFile extends Version {
  readonly pieces: Pieces;
  /** Whether more of the same version can be added later. */
  readonly isResumable: boolean;
}

type Slot = 'a' | 'b';

function otherSlot(slot: Slot): Slot {
  return slot === 'a' ? 'b' : 'a';
}

/** What `about.json` says: whether the address had the file, and which one is here. */
interface About {
  readonly url: string;
  readonly absent: boolean;
  readonly file?: { readonly slot: Slot; readonly size: number; readonly validator?: string };
}

/** What `partial.json` says of the slot in which a file arrives. */
interface Arriving extends Version {
  readonly slot: Slot;
}

/**
 * A file of an address, as a folder of the private file system: `about.json`, and the pieces of the file in `a` or
 * `b`. A new version arrives in the other of the two, so that the old one is there until the new one is whole.
 * Without a folder (where the page has no private file system) nothing is kept.
 */
export class KeptFile {
  /** The file, where it is here. */
  whole?: WholeFile;
  /** What has come of another version of it. */
  partial?: PartialFile;
  /** Whether there was no such file when it was last asked for. */
  absent = false;
  /** Where another version arrives. */
  #slot: Slot = 'a';

  private constructor(
    readonly url: string,
    readonly folder: string | undefined,
  ) {}

  static async open(url: string, folder: string | undefined): Promise<KeptFile> {
    const file = new KeptFile(url, folder);
    if (folder !== undefined) await file.#read(folder);
    return file;
  }

  /** Begins another version. One that can't be told from others is not gone on with by a later page. */
  async begin(version: Version, canBeTold: boolean): Promise<PartialFile> {
    await this.drop();
    const pieces = await Pieces.open(this.#slotPath(this.#slot));
    await pieces.clear(); // What a page that died has left.
    const isResumable = canBeTold && this.folder !== undefined;
    const { validator, size } = version;
    if (isResumable) await this.#writeJson('partial.json', { validator, size, slot: this.#slot });
    this.partial = { validator, size, pieces, isResumable };
    return this.partial;
  }

  /** The version that has arrived becomes the file. */
  async complete(): Promise<WholeFile> {
    const { pieces, validator } = this.partial!;
    await pieces.flush();
    const blob = pieces.blob();
    this.whole = { validator, size: blob.size, blob };
    this.absent = false;
    this.partial = undefined;
    this.#slot = otherSlot(this.#slot);
    await this.#writeAbout(); // From here on it is this file that is found.
    await this.#remove('partial.json');
    await this.#remove(this.#slot);
    return this.whole;
  }

  /** Forgets what has come of another version. */
  async drop(): Promise<void> {
    if (this.partial === undefined) return;
    await this.#remove('partial.json');
    await this.partial.pieces.clear();
    this.partial = undefined;
  }

  /** Notes whether the address has such a file; one that was here stays, for the day it is back. */
  async setAbsent(absent: boolean): Promise<void> {
    if (this.absent === absent) return;
    this.absent = absent;
    await this.#writeAbout();
  }

  async #read(folder: string): Promise<void> {
    const about = await readJson<About>(`${folder}/about.json`);
    this.absent = about?.absent === true;
    if (about?.file !== undefined) {
      const { slot, size, validator } = about.file;
      const blob = (await Pieces.open(`${folder}/${slot}`)).blob();
      if (blob.size === size) this.whole = { size, validator, blob };
      this.#slot = otherSlot(slot);
    }
    const arriving = await readJson<Arriving>(`${folder}/partial.json`);
    if (arriving?.slot !== this.#slot) return; // None, or it is whole by now.
    const { validator, size } = arriving;
    const pieces = await Pieces.open(`${folder}/${this.#slot}`);
    this.partial = { validator, size, pieces, isResumable: true };
  }

  #slotPath(slot: Slot): string | undefined {
    return this.folder === undefined ? undefined : `${this.folder}/${slot}`;
  }

  async #writeAbout(): Promise<void> {
    const { url, absent, whole } = this;
    const file = whole && {
      slot: otherSlot(this.#slot),
      size: whole.size,
      validator: whole.validator,
    };
    await this.#writeJson('about.json', { url, absent, file });
  }

  async #writeJson(name: string, value: About | Arriving): Promise<void> {
    if (this.folder !== undefined)
      await writeFileAtomic(`${this.folder}/${name}`, JSON.stringify(value));
  }

  async #remove(name: string): Promise<void> {
    if (this.folder !== undefined) await remove(`${this.folder}/${name}`);
  }
}

/** What a file of ours says; nothing where it is damaged: it can be had again. */
async function readJson<T>(path: string): Promise<T | undefined> {
  if (!(await isFile(path))) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(await readWhole(path))) as T;
  } catch {
    return undefined;
  }
}
