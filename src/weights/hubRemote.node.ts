import { InputError } from '../errors.js';
import type { PretrainedOptions } from './hub.js';
import type { HubFile, Listing } from './hubCache.node.js';

/** What every function of `@huggingface/hub` takes. */
interface Access {
  readonly accessToken?: string;
  readonly hubUrl?: string;
  readonly fetch?: typeof fetch;
}

/** A model on the hub, through `@huggingface/hub`, which is loaded when it is first asked. */
export class HubRemote {
  readonly #id: string;
  readonly #access: Access;

  /** @throws InputError for a token that cannot be one */
  constructor(id: string, { token, fetch }: PretrainedOptions) {
    const accessToken = token ?? (process.env['HF_TOKEN'] || undefined);
    if (accessToken !== undefined && !accessToken.startsWith('hf_')) {
      const from = token === undefined ? 'of HF_TOKEN' : "given as 'token'";
      throw new InputError(
        `pretrained: the access token ${from} must begin with 'hf_', and does not`,
      );
    }
    this.#id = id;
    this.#access = { accessToken, hubUrl: process.env['HF_ENDPOINT'] || undefined, fetch };
  }

  /** The commit that a branch or tag stands for. */
  async commitOf(revision: string): Promise<string> {
    const { modelInfo } = await import('@huggingface/hub');
    const { sha } = await modelInfo({
      ...this.#access,
      name: this.#id,
      revision,
      additionalFields: ['sha'],
    });
    return sha;
  }

  /** All files of a commit. */
  async list(commit: string): Promise<Listing> {
    const { listFiles } = await import('@huggingface/hub');
    const listing = new Map<string, HubFile>();
    const entries = listFiles({
      ...this.#access,
      repo: this.#repo,
      revision: commit,
      recursive: true,
    });
    for await (const { type, path, size, oid, lfs, xetHash } of entries) {
      if (type !== 'file' || oid === undefined) continue;
      listing.set(path, { size, blobId: oid, lfs, xetHash });
    }
    return listing;
  }

  /** The bytes of a file, as they arrive. */
  async download(commit: string, name: string): Promise<ReadableStream<Uint8Array>> {
    const { downloadFile } = await import('@huggingface/hub');
    const blob = await downloadFile({
      ...this.#access,
      repo: this.#repo,
      path: name,
      revision: commit,
    });
    if (blob === null)
      throw new InputError(`pretrained: the hub lists ${name} of ${this.#id} and does not have it`);
    return blob.stream();
  }

  get #repo(): { type: 'model'; name: string } {
    return { type: 'model', name: this.#id };
  }
}

/** Whether the hub answered that this will not do, which the cache cannot help; not that it is busy or down. */
export function isRefusal(error: unknown): boolean {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return (
    typeof status === 'number' && status >= 400 && status < 500 && status !== 408 && status !== 429
  );
}
