import { requireAnswer } from './download.browser.js';
import { authorization, hubAddress } from './hubAddress.browser.js';
import type { HubFile, Listing } from './hubListing.js';
import type { HubAccess } from './hubSettings.js';

/** An entry of a tree, as the hub lists it. */
interface TreeEntry extends HubFile {
  readonly type: string;
  readonly path: string;
  readonly oid?: string;
}

/**
 * A model on the hub. What is asked of it are two addresses, for which `@huggingface/hub`, with all that it brings, would
 * be much to load in a page.
 */
export class HubRemote {
  constructor(
    readonly id: string,
    readonly access: HubAccess,
  ) {}

  /** The commit that a branch or tag stands for. */
  async commitOf(revision: string): Promise<string> {
    const path = `api/models/${this.id}/revision/${encodeURIComponent(revision)}?expand=sha`;
    const { sha } = (await (await this.#get(path)).json()) as { sha: string };
    return sha;
  }

  /** All files of a commit, of which the hub may list some at a time. */
  async list(commit: string): Promise<Listing> {
    const listing = new Map<string, HubFile>();
    let next: string | undefined = `api/models/${this.id}/tree/${commit}?recursive=true`;
    while (next !== undefined) {
      const answer = await this.#get(next);
      for (const { type, path, size, oid, lfs, xetHash } of (await answer.json()) as TreeEntry[]) {
        if (type !== 'file' || oid === undefined) continue;
        listing.set(path, { size, blobId: oid, lfs, xetHash });
      }
      next = /<([^>]+)>; *rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    return listing;
  }

  async #get(path: string): Promise<Response> {
    const { fetch: request = fetch } = this.access;
    const headers = authorization(this.access);
    return requireAnswer(await request(new URL(path, hubAddress(this.access)), { headers }));
  }
}
