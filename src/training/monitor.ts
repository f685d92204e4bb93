import type { ClassificationReport } from './metrics.js';

/** The figures by which the best epoch may be chosen. */
export const monitors = ['accuracy', 'macroF1', 'weightedF1', 'auc', 'loss', 'ece'] as const;

/** One of {@link monitors}. */
export type Monitor = (typeof monitors)[number];

/** Whether a smaller figure is the better one. */
export function isMinimized(monitor: Monitor): boolean {
  return monitor === 'loss' || monitor === 'ece';
}

/** An epoch and its figure. */
export interface Best {
  /** Counted from 1. */
  readonly epoch: number;
  /** The monitored figure; null where there is no validation, or the figure is undefined. */
  readonly value: number | null;
}

/**
 * The better of the best epoch so far and a new one: the earlier among equals, and an epoch with an
 * undefined figure only where there is no other. Without validation, and as long as no figure is defined, the latest.
 */
export function betterOf(
  best: Best | undefined,
  epoch: number,
  monitor: Monitor,
  report: ClassificationReport | undefined,
): Best {
  const value = report?.[monitor] ?? null;
  const candidate = { epoch, value };
  if (best === undefined || report === undefined) return candidate;
  if (best.value === null) return candidate;
  if (value === null) return best;
  return (isMinimized(monitor) ? value < best.value : value > best.value) ? candidate : best;
}
