import { createRequire } from 'node:module';

/** Whether a package can be imported from here; it is not loaded. */
export function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
