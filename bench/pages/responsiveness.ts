import type { BackendName } from '../../src/backends/select.js';
import { train } from './steps.js';

/** How a page fared while something ran. */
export interface Measured {
  /** Milliseconds. */
  readonly total: number;
  /** A training step, in milliseconds; 0 where none ran. */
  readonly step: number;
  /** The longest time between two frames, in milliseconds. */
  readonly longestFrame: number;
  readonly frames: number;
  /** Frames of a 60th of a second that were not drawn. */
  readonly missed: number;
  /** The longest task of the page's thread, as the browser tells of those above 50 ms. */
  readonly longestTask: number;
}

type Where = 'nothing' | 'page' | 'worker';

/** Draws frames while nothing runs, or a training on the page's thread or in a Worker. */
export async function measure(
  where: Where,
  backend: BackendName,
  steps: number,
): Promise<Measured> {
  let [longestTask, longestFrame, frames, missed] = [0, 0, 0, 0];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestTask = Math.max(longestTask, duration);
  });
  observer.observe({ type: 'longtask' });
  const started = performance.now();
  let [last, ended] = [started, false];
  const frame = (now: number): void => {
    const gap = now - last;
    longestFrame = Math.max(longestFrame, gap);
    missed += Math.max(0, Math.round(gap / (1000 / 60)) - 1);
    [last, frames] = [now, frames + 1];
    if (!ended) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const step = await run(where, backend, steps);
  const total = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, 100)); // for the last frame and what the observer is told
  ended = true;
  observer.disconnect();
  return { total, step, longestFrame, frames, missed, longestTask };
}

async function run(where: Where, backend: BackendName, steps: number): Promise<number> {
  if (where === 'page') return train(backend, steps);
  if (where === 'worker') return inWorker(backend, steps);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return 0;
}

function inWorker(backend: BackendName, steps: number): Promise<number> {
  const worker = new Worker('/stepsWorker.js', { type: 'module' });
  return new Promise<number>((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => {
      if ('error' in data) reject(new Error(data.error));
      else resolve(data.step);
    });
    worker.addEventListener('error', ({ message }) => reject(new Error(message)));
    worker.postMessage([backend, steps], []);
  }).finally(() => worker.terminate());
}
