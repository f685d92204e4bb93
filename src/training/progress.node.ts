import { LineProgress } from './progress.js';
import type { ProgressReporter } from './progress.js';
import { BarProgress } from './progressBar.node.js';

/** What tells of a run where nothing else was chosen: a bar on a terminal, else plain lines to stderr. */
export function defaultProgress(): ProgressReporter {
  return process.stderr.isTTY ? new BarProgress() : new LineProgress({ write: console.error });
}
