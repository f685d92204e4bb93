import { InputError, messageOf } from '../errors.js';
import { findPath, openFiles } from '../files/fileTree.js';
import type { FileTree, HeldFiles } from '../files/fileTree.js';
import { checkFileName } from './fileNames.js';
import { blobSource } from './source.js';
import type { ByteSource } from './source.js';

/** Where a pretrained model is: a folder's path (in a browser, or its address), a hub id, or its files: a zip, ... */
export type PretrainedSource = string | HeldFiles;

/** Which revision of a hub model is opened, and how. */
export interface PretrainedOptions {
  /** A branch, tag or commit (default `main`). */
  readonly revision?: string;
  /** An access token for private and gated models (default: the environment's HF_TOKEN). */
  readonly token?: string;
  /**
   * The folder of the cache (default: that of Hugging Face's tools, whose layout it has; in a browser
   * `.cache/bertresnet/weights` of the private file system, for what addresses answer too).
   */
  readonly cacheDir?: string;
  /** Takes the place of the platform's `fetch`, for a proxy or special headers. */
  readonly fetch?: typeof fetch;
  /** The address of the hub (default: HF_ENDPOINT of the environment, else https://huggingface.co). */
  readonly hubUrl?: string;
  /** Told how far a file is while it is fetched; one that is in the cache is not fetched. */
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** How far a file is that is being fetched. */
export interface DownloadProgress {
  /** Its name in the model's folder. */
  readonly file: string;
  /** In bytes, those included that an earlier attempt has brought. */
  readonly loaded: number;
  /** In bytes; undefined where the server does not say. */
  readonly total?: number;
}

/** The files of a pretrained model, in a folder or on the hub; from there, a file is fetched when it is read. */
export interface PretrainedFiles {
  /** What errors call it: the folder, or the hub id and its revision. */
  readonly source: string;
  /** The folder, where it is a local one. */
  readonly path?: string;
  /** Whether there is such a file. @throws InputError for a name that leaves the folder, here and below */
  has(name: string): Promise<boolean>;
  /** @throws InputError where there is none, or it is not UTF-8 */
  readText(name: string): Promise<string>;
  /** @throws InputError where there is none, or it does not hold a JSON object */
  readJson(name: string): Promise<object>;
  /** @throws InputError where there is none */
  readBytes(name: string): Promise<Uint8Array>;
  /** Opens a file of any size. @throws InputError where there is none */
  open(name: string): Promise<ByteSource>;
}

/** Where the files are: the one thing in which folders and the hub differ. */
export interface FileStore {
  readonly source: string;
  readonly path?: string;
  has(name: string): Promise<boolean>;
  /** Opens a file, once it is there. @throws InputError where there is none */
  open(name: string): Promise<ByteSource>;
}

/**
 * Opens a folder, or else a model of the Hugging Face hub by its id (`google-bert/bert-base-uncased`), through
 * `@huggingface/hub`'s cache. Without a network, and where HF_HUB_OFFLINE is set, what is in the cache is used.
 *
 * @throws InputError where there is no such folder or model, or it cannot be reached and is not in the cache; the
 *   message says what to do.
 */
export async function openPretrained(
  source: PretrainedSource,
  options: PretrainedOptions = {},
): Promise<PretrainedFiles> {
  if (typeof source !== 'string') return new StoredFiles(treeStore(await openFiles(source)));
  const { findFolder } = await import('./hub.node.js');
  const folder = await findFolder(source, options);
  if (folder !== undefined) return new StoredFiles(folder);
  checkHubId(source);
  const { openHub } = await import('./hubModel.js');
  return new StoredFiles(await openHub(source, options));
}

/** Files at hand, which may all lie in one folder. */
function treeStore(tree: FileTree): FileStore {
  return {
    source: tree.name,
    has: async (name) => findPath(tree, name) !== undefined,
    open: async (name) => blobSource(await tree.open(findPath(tree, name) ?? name), name),
  };
}

/** A part of a hub id: letters, digits, '.', '-' and '_', not at either end nor '--' or '..'. */
const idPart = /^(?!.*(--|\.\.))[\w](?:[\w.-]*\w)?$/;

/** @throws InputError for what cannot be a hub id, and so must be meant as a folder. */
function checkHubId(id: string): void {
  const parts = id.split('/');
  const fits = parts.length <= 2 && id.length <= 96 && parts.every((part) => idPart.test(part));
  if (fits && !/\.(git|json|safetensors|txt)$/.test(id)) return;
  throw new InputError(
    `pretrained: there is no folder '${id}', and a hub id has the form 'owner/name'; check the path or the id`,
  );
}

class StoredFiles implements PretrainedFiles {
  readonly source: string;
  readonly path?: string;
  readonly #store: FileStore;

  constructor(store: FileStore) {
    this.source = store.source;
    this.path = store.path;
    this.#store = store;
  }

  async has(name: string): Promise<boolean> {
    checkFileName(name, this.source);
    return this.#store.has(name);
  }

  async readText(name: string): Promise<string> {
    const bytes = await this.readBytes(name);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw new InputError(`pretrained: ${name} of ${this.source} must be UTF-8, and is not`);
    }
  }

  async readJson(name: string): Promise<object> {
    const text = await this.readText(name);
    const value = this.#parse(name, text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    throw new InputError(`pretrained: ${name} of ${this.source} must hold a JSON object`);
  }

  async readBytes(name: string): Promise<Uint8Array> {
    const file = await this.open(name);
    try {
      return await file.read(0, file.size);
    } finally {
      await file.close();
    }
  }

  async open(name: string): Promise<ByteSource> {
    checkFileName(name, this.source);
    return this.#store.open(name);
  }

  #parse(name: string, text: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new InputError(
        `pretrained: ${name} of ${this.source} is not valid JSON: ${messageOf(error)}`,
      );
    }
  }
}
