import { listFolder, remove, writeFileAtomic } from '../weights/files.browser.js';
import { openBlob } from './opfs.browser.js';

/** What is lost at most where a page dies, in bytes. */
const pieceBytes = 8 * 2 ** 20;

/**
 * A large file that arrives bit by bit, as a folder of pieces: files of the private file system that are written once,
 * whole, and never changed. Whatever stops the page, the pieces before stay, and the next one goes on behind them.
 */
export class Pieces {
  readonly #folder: string | undefined;
  readonly #pieces: Blob[];
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  private constructor(folder: string | undefined, pieces: Blob[]) {
    this.#folder = folder;
    this.#pieces = pieces;
  }

  /** The pieces that a folder has; undefined holds them in memory. */
  static async open(folder: string | undefined): Promise<Pieces> {
    const pieces: Blob[] = [];
    const names = folder === undefined ? [] : await listFolder(folder);
    while (names.includes(pieceName(pieces.length)))
      pieces.push(await openBlob(`${folder}/${pieceName(pieces.length)}`));
    return new Pieces(folder, pieces);
  }

  /** Bytes, those included that are not written yet. */
  get size(): number {
    return this.#pieces.reduce((sum, { size }) => sum + size, this.#pendingBytes);
  }

  /** Adds bytes, which must stay as they are. @throws InputError where the browser's storage is full */
  async append(bytes: Uint8Array): Promise<void> {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= pieceBytes) await this.flush();
  }

  /** Writes what was added since. */
  async flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    this.#pieces.push(await this.#write(this.#pending));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** All that is written; the browser reads of it what is asked for. */
  blob(): Blob {
    return new Blob(this.#pieces);
  }

  /** Forgets all of it. */
  async clear(): Promise<void> {
    this.#pieces.length = 0;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (this.#folder !== undefined) await remove(this.#folder);
  }

  async #write(chunks: readonly Uint8Array[]): Promise<Blob> {
    if (this.#folder === undefined) return new Blob([...chunks] as BlobPart[]);
    const path = `${this.#folder}/${pieceName(this.#pieces.length)}`;
    await writeFileAtomic(path, inOrder(chunks));
    return openBlob(path);
  }
}

/** Names that sort as their numbers do. */
function pieceName(index: number): string {
  return String(index).padStart(6, '0');
}

async function* inOrder(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
