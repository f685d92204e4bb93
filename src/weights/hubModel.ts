import { InputError } from '../errors.js';
import type { FileStore, PretrainedOptions } from './hub.js';
import { HubCache } from './hubCache.js';
import { isCommit } from './hubListing.js';
import type { Listing } from './hubListing.js';
import { HubRemote } from './hubRemote.node.js';
import { hubSettings } from './hubSettings.node.js';
import { isRefusal } from './refusal.js';
import { reasonOf } from './source.js';
import type { ByteSource } from './source.js';

/**
 * A revision of a hub model: of the hub where it can be reached, of the cache where it cannot.
 *
 * @throws InputError where neither has it.
 */
export async function openHub(id: string, options: PretrainedOptions): Promise<FileStore> {
  const revision = options.revision ?? 'main';
  checkRevision(revision);
  const source = revision === 'main' ? id : `${id} (revision ${revision})`;
  const { cacheDir, access, offline, otherwise } = hubSettings(id, options);
  const cache = new HubCache(cacheDir, id);
  const cached = (why: string): Promise<FileStore> =>
    openCached({ revision, source, cache, why, otherwise });
  if (offline !== undefined) return cached(`${offline} is set`);
  const remote = new HubRemote(id, access);
  const { onProgress } = options;
  try {
    return await openOnline({ source, revision, cache, remote, onProgress });
  } catch (error) {
    if (error instanceof InputError) throw error;
    if (isRefusal(error)) throw refused(source, error);
    return cached(`the hub cannot be reached: ${reasonOf(error)}`);
  }
}

/** A revision becomes a part of URLs and paths. */
function checkRevision(revision: string): void {
  if (/^\w[\w./+-]*$/.test(revision) && !/\.\.|\/\/|\/$/.test(revision)) return;
  throw new InputError(`pretrained: revision must be a branch, tag or commit, got '${revision}'`);
}

interface Online {
  readonly source: string;
  readonly revision: string;
  readonly cache: HubCache;
  readonly remote: HubRemote;
  readonly onProgress: PretrainedOptions['onProgress'];
}

async function openOnline({
  source,
  revision,
  cache,
  remote,
  onProgress,
}: Online): Promise<FileStore> {
  const commit = isCommit(revision) ? revision : await remote.commitOf(revision);
  if (commit !== revision && commit !== (await cache.readRef(revision))) {
    await cache.writeRef(revision, commit);
  }
  const listing = (await cache.readListing(commit)) ?? (await fetchListing(commit, cache, remote));
  return {
    source,
    has: async (name) => listing.has(name),
    open: async (name) => {
      const cached = await cache.find(commit, name);
      if (cached !== undefined) return cached;
      const file = listing.get(name);
      if (file !== undefined) {
        const fetching = (): Promise<ByteSource> =>
          cache.store({ commit, name, file, remote, onProgress });
        return download(fetching, source, name);
      }
      throw new InputError(`pretrained: ${source} has no file ${name} on the hub`);
    },
  };
}

async function fetchListing(commit: string, cache: HubCache, remote: HubRemote): Promise<Listing> {
  const listing = await remote.list(commit);
  await cache.writeListing(commit, listing);
  return listing;
}

async function download(
  fetchFile: () => Promise<ByteSource>,
  source: string,
  name: string,
): Promise<ByteSource> {
  try {
    return await fetchFile();
  } catch (error) {
    if (error instanceof InputError) throw error;
    if (isRefusal(error)) throw refused(source, error);
    throw new InputError(
      `pretrained: ${name} of ${source} could not be downloaded: ${reasonOf(error)}; try again`,
    );
  }
}

interface Offline {
  readonly revision: string;
  readonly source: string;
  readonly cache: HubCache;
  /** Why the hub is not asked. */
  readonly why: string;
  /** How to have the model all the same. */
  readonly otherwise: string;
}

async function openCached({
  revision,
  source,
  cache,
  why,
  otherwise,
}: Offline): Promise<FileStore> {
  const commit = isCommit(revision) ? revision : await cache.readRef(revision);
  const listing = commit === undefined ? undefined : await cache.readListing(commit);
  const absent = (what: string): InputError =>
    new InputError(
      `pretrained: ${what} is not in the cache ${cache.folder}, and ${why}; ${otherwise}`,
    );
  if (commit === undefined || !(await cache.holds(commit))) {
    throw absent(`'${source}' is no folder here and`);
  }
  return {
    source,
    has: async (name) => (await cache.has(commit, name)) || (listing?.has(name) ?? false),
    open: async (name) => {
      const cached = await cache.find(commit, name);
      if (cached !== undefined) return cached;
      throw absent(`${name} of ${source}`);
    },
  };
}

function refused(source: string, error: unknown): InputError {
  return new InputError(
    `pretrained: '${source}' is no folder here, and the hub refused it: ${reasonOf(error)}; check the spelling ` +
      "and the revision; for a private or gated model accept its terms and set HF_TOKEN or pass 'token'",
  );
}
