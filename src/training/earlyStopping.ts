import { isMinimized } from './monitor.js';
import type { Monitor } from './monitor.js';
import type { EpochRecord } from './records.js';

/** When a run ends before its last epoch. */
export interface EarlyStopping {
  /** The run ends after so many epochs in a row that did not improve the monitored figure. */
  readonly patience: number;
  /** What counts as an improvement: more than this (default 0). */
  readonly minDelta: number;
}

/** Whether a run is to end, from its epochs alone, so that a resumed run ends where an uninterrupted one does. */
export function isStalled(
  history: readonly EpochRecord[],
  monitor: Monitor,
  { patience, minDelta }: EarlyStopping,
): boolean {
  const sign = isMinimized(monitor) ? -1 : 1;
  let best = -Infinity;
  let waited = 0;
  for (const { validation } of history) {
    const figure = validation?.[monitor] ?? null;
    const improved = figure !== null && sign * figure > best + (best === -Infinity ? 0 : minDelta);
    if (improved) best = sign * figure;
    waited = improved ? 0 : waited + 1;
  }
  return waited >= patience;
}
