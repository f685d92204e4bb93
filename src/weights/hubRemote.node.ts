import type { HubFile, Listing } from './hubListing.js';
import type { HubAccess } from './hubSettings.js';

/** A model on the hub, through `@huggingface/hub`, which is loaded when it is first asked. */
export class HubRemote {
  constructor(
    readonly id: string,
    readonly access: HubAccess,
  ) {}

  /** The commit that a branch or tag stands for. */
  async commitOf(revision: string): Promise<string> {
    const { modelInfo } = await import('@huggingface/hub');
    const additionalFields = ['sha' as const];
    const { sha } = await modelInfo({
      ...this.access,
      name: this.id,
      revision,
      additionalFields,
    });
    return sha;
  }

  /** All files of a commit. */
  async list(commit: string): Promise<Listing> {
    const { listFiles } = await import('@huggingface/hub');
    const listing = new Map<string, HubFile>();
    const repo = { type: 'model' as const, name: this.id };
    const entries = listFiles({ ...this.access, repo, revision: commit, recursive: true });
    for await (const { type, path, size, oid, lfs, xetHash } of entries) {
      if (type !== 'file' || oid === undefined) continue;
      listing.set(path, { size, blobId: oid, lfs, xetHash });
    }
    return listing;
  }
}
