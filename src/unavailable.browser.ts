import { InputError } from './errors.js';

/** What a browser cannot do in this version. */
export function unavailable(who: string, what: string): InputError {
  return new InputError(`${who}: ${what} is not available in a browser`);
}
