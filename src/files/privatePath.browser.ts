import { rootDirectory } from './opfs.browser.js';
import { joinPaths } from './paths.js';

/** Whether there is a private file system: not in a page that came by http, nor in some private windows. */
export async function hasPrivateFiles(): Promise<boolean> {
  return rootDirectory().then(
    () => true,
    () => false,
  );
}

/** Whether a path is a whole address. */
export function isUrl(path: string): boolean {
  return /^(https?|blob|data):/i.test(path);
}

/**
 * Whether a path may lead into the private file system. What may not is an address: `https://...`, what leads
 * upwards (`../rows.csv`), and on a page without private files all that does not say `opfs:`.
 */
export async function mayBePrivate(path: string): Promise<boolean> {
  if (/^(opfs|handle):/.test(path)) return true;
  if (isUrl(path) || joinPaths('', path) === undefined) return false;
  return hasPrivateFiles();
}
