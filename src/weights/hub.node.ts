import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { isFile, isFolder, openFile, recoverFolder } from './files.node.js';
import type { FileStore, PretrainedOptions } from './hub.js';
import { HubCache, isCommit } from './hubCache.node.js';
import type { Listing } from './hubCache.node.js';
import { HubRemote, isRefusal } from './hubRemote.node.js';
import { reasonOf } from './source.js';

/**
 * A folder, if the path leads to one.
 *
 * @throws InputError where it leads to something else.
 */
export async function findFolder(path: string): Promise<FileStore | undefined> {
  if (path === '' || path.includes('\0')) return undefined;
  await recoverFolder(path);
  if (await isFolder(path)) return folderStore(path);
  if (await isFile(path))
    throw new InputError(`pretrained: ${path} must be a folder, got a file; name its folder`);
  return undefined;
}

function folderStore(path: string): FileStore {
  const inside = (name: string): string => join(path, name);
  return {
    source: path,
    path: resolve(path),
    has: (name) => isFile(inside(name)),
    open: async (name) => {
      if (await isFile(inside(name))) return openFile(inside(name));
      throw new InputError(
        `pretrained: the folder ${path} has no file ${name}; is it a model's folder?`,
      );
    },
  };
}

/**
 * A revision of a hub model: of the hub where it can be reached, of the cache where it cannot.
 *
 * @throws InputError where neither has it.
 */
export async function openHub(id: string, options: PretrainedOptions): Promise<FileStore> {
  const revision = options.revision ?? 'main';
  checkRevision(revision);
  const source = revision === 'main' ? id : `${id} (revision ${revision})`;
  const cache = new HubCache(options.cacheDir ?? defaultCache(), id);
  const cached = (why: string): Promise<FileStore> =>
    openCached({ id, revision, source, cache, why });
  const setting = offlineSettings.find((name) => isTrue(process.env[name]));
  if (setting !== undefined) return cached(`${setting} is set`);
  const remote = new HubRemote(id, options);
  try {
    return await openOnline({ source, revision, cache, remote });
  } catch (error) {
    if (error instanceof InputError) throw error;
    if (isRefusal(error)) throw refused(source, error);
    return cached(`the hub cannot be reached: ${reasonOf(error)}`);
  }
}

const offlineSettings = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'] as const;

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
}

async function openOnline({ source, revision, cache, remote }: Online): Promise<FileStore> {
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
      if (cached !== undefined) return openFile(cached);
      const file = listing.get(name);
      if (file !== undefined) {
        const fetching = (): Promise<string> => cache.store(commit, name, file, remote);
        return openFile(await download(fetching, source, name));
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
  fetchFile: () => Promise<string>,
  source: string,
  name: string,
): Promise<string> {
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
  readonly id: string;
  readonly revision: string;
  readonly source: string;
  readonly cache: HubCache;
  /** Why the hub is not asked. */
  readonly why: string;
}

async function openCached({ id, revision, source, cache, why }: Offline): Promise<FileStore> {
  const commit = isCommit(revision) ? revision : await cache.readRef(revision);
  const listing = commit === undefined ? undefined : await cache.readListing(commit);
  const absent = (what: string): InputError =>
    new InputError(
      `pretrained: ${what} is not in the cache ${cache.folder}, and ${why}; run once with a network ` +
        `(\`hf download ${id}\` does too), or give the path of a folder that holds the model`,
    );
  if (commit === undefined || !(await cache.holds(commit))) {
    throw absent(`'${source}' is no folder here and`);
  }
  return {
    source,
    has: async (name) =>
      (await cache.find(commit, name)) !== undefined || (listing?.has(name) ?? false),
    open: async (name) => {
      const cached = await cache.find(commit, name);
      if (cached !== undefined) return openFile(cached);
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

/** The folder that Hugging Face's tools share, as huggingface_hub finds it. */
function defaultCache(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home, 'hub');
}

function isTrue(value: string | undefined): boolean {
  return ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase());
}
