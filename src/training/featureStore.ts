import { InputError, messageOf } from '../errors.js';
import { hex } from '../files/hash.js';
import { sha256 } from '../files/hash.node.js';
import { listFolder, makeFolder, openFile, remove } from '../weights/files.node.js';
import { writeSafetensors } from '../weights/safetensors.js';
import { headerLength, lengthBytes, parseHeader } from '../weights/safetensorsHeader.js';
import type { TensorEntry } from '../weights/safetensorsHeader.js';
import type { ByteSource } from '../weights/source.js';
import { keyBytes } from './featureKeys.js';
import type { FeatureSpace } from './featureSpace.js';

/** Features in one file: those from entry `first` on. */
interface Part {
  readonly first: number;
  readonly source: ByteSource;
  /** Where the features begin in the file. */
  readonly begin: number;
}

const format = 'bertresnet-features';
const formatVersion = '1';
/** What is held in memory before it becomes a file, in bytes. */
const partBytes = 32 * 2 ** 20;
const chunkBytes = 8 * 2 ** 20;
const keyWords = keyBytes / 4;

/**
 * Feature vectors on disk by the content that they were computed of: safetensors files that are
 * written once, whole, and never changed, so that several runs may share a folder. A file that is
 * damaged is removed, and its features are computed again.
 */
export class FeatureStore {
  readonly #folder: string;
  readonly #space: FeatureSpace;
  readonly #parts: Part[] = [];
  /** The entry of each key; forgotten once all rows have their entries. */
  readonly #entries = new Map<string, number>();
  #size = 0;
  #pendingKeys: string[] = [];
  #pending: Float32Array[] = [];

  private constructor(folder: string, space: FeatureSpace) {
    this.#folder = folder;
    this.#space = space;
  }

  /**
   * Opens the features of a space that lie in a folder, which is made where it is missing.
   *
   * @param onDamage told of each file that was damaged.
   * @throws InputError where the folder cannot be written.
   */
  static async open(
    folder: string,
    space: FeatureSpace,
    onDamage: (problem: string) => void,
  ): Promise<FeatureStore> {
    const store = new FeatureStore(folder, space);
    try {
      await makeWritable(folder);
      for (const name of await listFolder(folder))
        if (name.startsWith(store.#prefix) && name.endsWith('.safetensors'))
          await store.#openOrRemove(`${folder}/${name}`, onDamage);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** The entry that holds the features of this content. */
  find(key: string): number | undefined {
    return this.#entries.get(key);
  }

  /** Adds features under a key that is not there yet. */
  async add(key: string, values: Float32Array): Promise<void> {
    this.#entries.set(key, this.#size++);
    this.#pendingKeys.push(key);
    this.#pending.push(values.slice());
    if (this.#pending.length * this.#rowBytes >= partBytes) await this.flush();
  }

  /** Writes what was added since. */
  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const random = crypto.randomUUID().slice(0, 8);
    const path = `${this.#folder}/${this.#prefix}${random}.safetensors`;
    const keys = Int32Array.from(this.#pendingKeys.flatMap(wordsOf));
    const features = joined(this.#pending, this.#space.size);
    const checksum = hex(sha256().update(keys).update(features).digest());
    const { input, hash: space } = this.#space;
    const count = this.#pending.length;
    await writeSafetensors(
      path,
      {
        keys: { shape: [count, keyWords], values: keys },
        features: { shape: [count, this.#space.size], values: features },
      },
      { metadata: { format, formatVersion, input, space, checksum } },
    );
    const { source, header } = await openPart(path);
    this.#parts.push({ first: this.#size - count, source, begin: header.features });
    this.#pendingKeys = [];
    this.#pending = [];
  }

  /** Writes what is left and forgets the keys: from here on entries are read. */
  async finish(): Promise<void> {
    await this.flush();
    this.#entries.clear();
  }

  /** The features of an entry that is written. */
  async read(entry: number): Promise<Float32Array> {
    const { first, source, begin } = this.#parts.findLast((part) => part.first <= entry)!;
    const at = begin + (entry - first) * this.#rowBytes;
    const bytes = await source.read(at, at + this.#rowBytes);
    return new Float32Array(bytes.buffer, bytes.byteOffset, this.#space.size);
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.splice(0).map(({ source }) => source.close()));
  }

  get #prefix(): string {
    return `${this.#space.input}-${this.#space.hash.slice(0, 16)}-`;
  }

  get #rowBytes(): number {
    return this.#space.size * Float32Array.BYTES_PER_ELEMENT;
  }

  async #openOrRemove(path: string, onDamage: (problem: string) => void): Promise<void> {
    try {
      await this.#openPart(path);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      onDamage(`${messageOf(error)}; it is removed, and what it held is computed again`);
      await remove(path);
    }
  }

  async #openPart(path: string): Promise<void> {
    const { source, header } = await openPart(path);
    try {
      const keys = await this.#verify(path, source, header);
      this.#parts.push({ first: this.#size, source, begin: header.features });
      keys.forEach((key, i) => this.#entries.set(key, this.#size + i));
      this.#size += keys.length;
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** The keys of a file, all of whose bytes are as they were written. */
  async #verify(path: string, source: ByteSource, header: PartHeader): Promise<string[]> {
    const { metadata, keys, features, count, size } = header;
    const { input, hash } = this.#space;
    const own = metadata['input'] === input && metadata['space'] === hash;
    if (!own || size !== this.#space.size) {
      throw new InputError(`features: ${path} does not hold what its name says`);
    }
    const words = await source.read(keys, keys + count * keyWords * 4);
    const checksum = sha256().update(words);
    const end = features + count * this.#rowBytes;
    for (let at = features; at < end; at += chunkBytes)
      checksum.update(await source.read(at, Math.min(end, at + chunkBytes)));
    if (hex(checksum.digest()) === metadata['checksum']) return keysOf(words);
    throw new InputError(`features: ${path} is damaged: its bytes are not those that were written`);
  }
}

/** Where things lie in a file of features. */
interface PartHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** Where they begin, in bytes. */
  readonly keys: number;
  readonly features: number;
  readonly count: number;
  readonly size: number;
}

async function openPart(path: string): Promise<{ source: ByteSource; header: PartHeader }> {
  const source = await openFile(path);
  try {
    return { source, header: await readHeader(path, source) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readHeader(path: string, source: ByteSource): Promise<PartHeader> {
  const start = await source.read(0, Math.min(lengthBytes, source.size));
  const length = headerLength(start, source.size, path);
  const json = await source.read(lengthBytes, lengthBytes + length);
  const { metadata, entries, dataStart } = parseHeader(json, source.size, path);
  const keys = entries.find(({ name }) => name === 'keys');
  const features = entries.find(({ name }) => name === 'features');
  const known = metadata['format'] === format && metadata['formatVersion'] === formatVersion;
  if (!known || !isMatrix(keys, 'I32') || !isMatrix(features, 'F32')) {
    throw new InputError(`features: ${path} is not a file of features`);
  }
  const [count, words] = keys.shape as [number, number];
  const [rows, size] = features.shape as [number, number];
  if (count !== rows || words !== keyWords)
    throw new InputError(`features: ${path} has ${count} keys and ${rows} features`);
  const place = ({ begin }: TensorEntry): number => dataStart + begin;
  return { metadata, keys: place(keys), features: place(features), count, size };
}

function isMatrix(entry: TensorEntry | undefined, dtype: string): entry is TensorEntry {
  return entry?.dtype === dtype && entry.shape.length === 2;
}

async function makeWritable(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
  } catch (cause) {
    throw new InputError(
      `features: cacheFeatures needs a folder that can be written, got '${folder}' ` +
        `(${messageOf(cause)}); pass another: cacheFeatures: 'path'`,
      { cause },
    );
  }
}

/** A key as words, in the byte order of all machines. */
function wordsOf(key: string): number[] {
  const bytes = new DataView(new ArrayBuffer(keyBytes));
  for (let i = 0; i < keyBytes; i++) bytes.setUint8(i, key.charCodeAt(i));
  return Array.from({ length: keyWords }, (_, i) => bytes.getInt32(4 * i, true));
}

function keysOf(words: Uint8Array): string[] {
  return Array.from({ length: words.length / keyBytes }, (_, i) =>
    String.fromCharCode(...words.subarray(keyBytes * i, keyBytes * (i + 1))),
  );
}

function joined(rows: readonly Float32Array[], size: number): Float32Array {
  const all = new Float32Array(rows.length * size); // [rows, size]
  rows.forEach((row, i) => all.set(row, i * size));
  return all;
}
