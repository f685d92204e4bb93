/**
 * What the caller gave cannot be used: the message says who refused it, the invariant, what came and what to do.
 * The command line prints such an error without its stack.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** What an error is about, in a form that fits in a message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
