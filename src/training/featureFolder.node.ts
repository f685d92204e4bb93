import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The folder of the features that `cacheFeatures` asks for; by default one that all runs share. */
export function featureFolder(asked: true | string): string {
  if (asked !== true) return resolve(asked);
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'bertresnet', 'features');
}
