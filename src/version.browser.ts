import { version as built } from '../package.json';

/** The version of this package. */
export function version(): string {
  return built;
}
