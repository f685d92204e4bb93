import { LineProgress } from './progress.js';
import type { ProgressReporter } from './progress.js';

/** What tells of a run where nothing else was chosen: lines on the console. */
export function defaultProgress(): ProgressReporter {
  return new LineProgress();
}
