import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockFolder } from '../../src/files/folderLock.node.js';
import { startOf } from '../../src/files/processes.node.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Tries to take the folder: whether it could. */
async function take(): Promise<boolean> {
  const lock = await lockFolder(folder);
  if ('release' in lock) lock.release();
  return 'release' in lock;
}

/** A lock as a process leaves it that is killed. */
async function leave(pid: number, start: string | undefined, host = hostname()): Promise<void> {
  await mkdir(join(folder, '.lock'));
  await writeFile(join(folder, '.lock', `${pid}.${start ?? ''}@${host}`), '');
}

/** The number of a process that is no more. */
const deadPid = (): number => spawnSync(process.execPath, ['--version']).pid;

it('is one user’s at a time, and leaves nothing', async () => {
  const lock = await lockFolder(folder);
  if (!('release' in lock)) expect.fail(lock.holder);
  expect(await lockFolder(folder)).toEqual({
    holder: `process ${process.pid} (${join(folder, '.lock')})`,
  });
  lock.release();
  expect(await take()).toBe(true);
  expect(await readdir(folder)).toEqual([]);
});

it('is let go of by a process that is no more', async () => {
  await leave(deadPid(), '1');
  expect(await take()).toBe(true);
  expect(await readdir(folder)).toEqual([]);
});

it('is kept for another process that runs', async () => {
  await leave(process.ppid, await startOf(process.ppid));
  expect(await take()).toBe(false);
});

const saysStart = (await startOf(process.pid)) !== undefined;

it.skipIf(!saysStart)('is not kept for a process that has the number of a dead one', async () => {
  await leave(process.ppid, '1');
  expect(await take()).toBe(true);
});

it.skipIf(!saysStart)('is not kept for a dead process that its parent forgot', async () => {
  const parent = spawn('sh', ['-c', 'sleep 1 & echo $!; exec sleep 60']);
  try {
    const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
    await leave(pid, await startOf(pid));
    expect(await take()).toBe(false);
    await expect.poll(() => startOf(pid), { timeout: 10_000 }).toBe('');
    expect(await take()).toBe(true);
  } finally {
    parent.kill();
  }
});

it('is not kept for what ran on another machine, or in a container that is no more', async () => {
  await leave(process.ppid, await startOf(process.ppid), 'elsewhere');
  expect(await take()).toBe(true);
});

it('is one’s of many that find it left behind at once', async () => {
  for (let round = 0; round < 20; round++) {
    await leave(deadPid(), '1');
    const locks = await Promise.all(Array.from({ length: 8 }, () => lockFolder(folder)));
    const taken = locks.filter((lock) => 'release' in lock);
    expect(taken).toHaveLength(1);
    taken.forEach((lock) => lock.release());
  }
  expect(await readdir(folder)).toEqual([]);
});
