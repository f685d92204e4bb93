import type { FolderLock } from './folderLock.js';
import { isNamed, placeOf } from './opfs.browser.js';

/** Milliseconds in which a page that was closed, or loaded again, lets go of what it held. */
const patience = 3_000;

/**
 * Locks a folder for one user: other tabs, Workers and calls are refused until it is released, or its page is gone.
 * The folders that a picker gave are known to their page alone, and kept from others within it.
 */
export async function lockFolder(path: string): Promise<FolderLock> {
  const { locks } = navigator as Partial<Navigator>;
  if (locks === undefined) return { release: () => {} };
  const { path: whole } = placeOf(path);
  const name = `bertresnet: use of ${whole}${isPicked(whole) ? pageKey : ''}`;
  const signal = AbortSignal.timeout(patience);
  return new Promise((resolve, reject) => {
    const hold = (): Promise<void> => new Promise((release) => resolve({ release }));
    locks.request(name, { signal }, hold).catch((error: unknown) => {
      if (isNamed(error, 'TimeoutError'))
        resolve({ holder: 'another one, here or in another tab,' });
      else reject(error);
    });
  });
}

const isPicked = (path: string): boolean => path.startsWith('handle:');
/** Tells this page, or Worker, from others. */
const pageKey = ` ${Math.random()}`; // A page by http has no crypto.randomUUID, and may read models all the same.
