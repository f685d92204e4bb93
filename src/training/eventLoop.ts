/**
 * Lets whatever waits on the event loop (timers, decoded pictures, Ctrl-C) have its turn: an engine
 * may hold the loop for a whole step.
 */
export function nextTurn(): Promise<void> {
  const later = typeof setImmediate === 'function' ? setImmediate : setTimeout;
  return new Promise((resolve) => later(() => resolve()));
}
