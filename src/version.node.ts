import { readFileSync } from 'node:fs';

/** The version of this package, whose package.json lies one folder above dist and above src. */
export function version(): string {
  try {
    const path = new URL('../package.json', import.meta.url);
    const found = JSON.parse(readFileSync(path, 'utf8')) as { version?: string };
    return found.version ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
