import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';

/** The part of a process that signals come from. */
export interface SignalSource {
  on(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * A signal that the first Ctrl-C (or SIGTERM) aborts, so that the step under way ends and the run is left
 * resumable. The second one leaves at once.
 */
export function onInterrupt(source: SignalSource, terminal: Terminal): AbortSignal {
  const controller = new AbortController();
  const listen = (): void => {
    if (controller.signal.aborted) return source.exit(exitCodes.interrupted);
    terminal.say('Stopping after the step under way; Ctrl-C again leaves at once.');
    controller.abort();
  };
  source.on('SIGINT', listen);
  source.on('SIGTERM', listen);
  return controller.signal;
}

/** Whether an error says that a signal was heeded, and not what went wrong while it was. */
export function isInterruption(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}
