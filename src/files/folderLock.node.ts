import { randomUUID } from 'node:crypto';
import { rmSync, rmdirSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { FolderLock } from './folderLock.js';
import { isRunning, startOf } from './processes.node.js';

/** How often another one may win what this one tries for; two that meet at a dead one's lock need two tries. */
const tries = 10;

/** What systems say of a lock that stands in the way, or is gone by now. */
const taken = ['EEXIST', 'ENOTEMPTY', 'EPERM', 'ENOENT']; // EPERM on Windows
const isTaken = (error: unknown): boolean =>
  taken.includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * Locks a folder for one user among the processes of this machine. The lock is a folder in it, `.lock`, which holds one
 * empty file, named after its process; that of a process that is no more, killed or crashed, is in nobody's way.
 *
 * Whatever is done to another's lock only one process can do, or none: the folder is renamed into its place with the
 * file in it, which fails where a lock stands, and only empty folders and files of the dead are removed.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const lock = resolve(folder, '.lock');
  const own = nameOf(process.pid, (await startOf(process.pid)) ?? '');
  const made = resolve(folder, `.lock.${process.pid}-${randomUUID().slice(0, 8)}.tmp`);
  await mkdir(made);
  try {
    await writeFile(join(made, own), '');
    for (let left = tries; ; left--) {
      try {
        await rename(made, lock);
        return { release: () => release(lock, own) };
      } catch (error) {
        if (left === 0 || !isTaken(error)) throw error;
      }
      const holder = await clear(lock);
      if (holder !== undefined) return { holder: `process ${holder} (${lock})` };
    }
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** Removes a lock that is nobody's; the process whose it is. */
async function clear(lock: string): Promise<number | undefined> {
  for (const name of await readdir(lock).catch(() => [])) {
    const holder = await holderOf(name);
    if (holder !== undefined) return holder;
    await rm(join(lock, name), { recursive: true, force: true });
  }
  await rmdir(lock).catch((error: unknown) => {
    if (!isTaken(error)) throw error;
  });
  return undefined;
}

function release(lock: string, own: string): void {
  try {
    rmSync(join(lock, own));
    rmdirSync(lock);
  } catch {
    // The folder was moved or removed meanwhile, or the next one has it already.
  }
}

/** What a process is called in a lock. */
function nameOf(pid: number, start: string): string {
  return `${pid}.${start}@${encodeURIComponent(hostname())}`;
}

/**
 * The process that a file of a lock is named after; undefined where it is no more. One of another machine, or another
 * container, cannot be asked, and counts as gone: a run must go on where a new container takes the place of a lost one.
 */
async function holderOf(name: string): Promise<number | undefined> {
  const [, pid, start] = /^(\d+)\.(\d*)@/.exec(name) ?? [];
  if (pid === undefined || name !== nameOf(Number(pid), start!)) return undefined;
  if (!isRunning(Number(pid))) return undefined;
  const begun = await startOf(Number(pid));
  return begun === undefined || begun === start ? Number(pid) : undefined;
}
