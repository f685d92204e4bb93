import { readFileSync } from 'node:fs';

/** The version of this package: its package.json lies one folder above dist, two above src/cli. */
export function version(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        version?: string;
      };
      if (found.version !== undefined) return found.version;
    } catch {
      // Not there: the next place is tried.
    }
  }
  return 'unknown';
}
