import { InputError } from '../errors.js';
import type { BackendName } from './preference.js';

/** A backend is not installed, or does not start here. */
export class BackendUnavailableError extends InputError {
  constructor(
    readonly backend: BackendName,
    /** Why. */
    readonly reason: string,
    /** What to do about it; absent where the reason says that as well. */
    readonly remedy?: string,
    options?: ErrorOptions,
  ) {
    super(
      remedy === undefined
        ? reason
        : `useBackend: the backend ${backend} is not available here (${reason}); ${remedy}, or choose 'auto'`,
      options,
    );
  }
}
