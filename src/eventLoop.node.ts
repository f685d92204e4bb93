/**
 * Lets whatever waits on the event loop (timers, decoded pictures, Ctrl-C) have its turn: an engine
 * may hold the loop for a whole step.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
