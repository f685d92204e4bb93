import { readFile } from 'node:fs/promises';

/** Whether there is a process of this number. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * When a process began, in ticks of its machine's clock, which tells it from an earlier one of the same number; empty for
 * one that has ended, though its parent has not asked how. Undefined where the system does not say (only Linux does).
 */
export async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  // Fields of proc(5) from the third on; the second, a name in parentheses, may hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' ? '' : fields?.[19];
}
