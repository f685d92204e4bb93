/**
 * How a page fares while it trains: the longest time between two frames, the frames that were not drawn and the longest
 * task of its thread, in Chromium without a window, while nothing runs, while a small model is trained on the page's
 * thread, and while it is trained in a Web Worker.
 *
 *     npm run bench:responsiveness -- [backend] [steps]
 *
 * Backends: cpu (default), webgl, webgpu.
 */
import { BrowserPage } from '../scripts/browser/page.js';
import type { Measured } from './pages/responsiveness.js';

const [backend = 'cpu', steps = '10'] = process.argv.slice(2);
const names = {
  nothing: 'nothing runs',
  page: "training on the page's thread",
  worker: 'training in a Worker',
};
const page = await BrowserPage.open(
  './bench/pages/responsiveness.ts',
  {},
  { stepsWorker: 'bench/pages/stepsWorker.ts' },
);
try {
  const rows: Record<string, object> = {};
  for (const where of ['nothing', 'page', 'worker'] as const) {
    await page.load();
    const measured = await page.call<Measured>('measure', where, backend, Number(steps));
    const { total, step, longestFrame, frames, missed, longestTask } = measured;
    rows[names[where]] = {
      'a step, ms': Math.round(step),
      'longest frame, ms': Math.round(longestFrame),
      'longest task, ms': longestTask === 0 ? 'below 50' : Math.round(longestTask),
      frames,
      'missed frames': missed,
      'of the time': `${Math.round((100 * missed) / (total / (1000 / 60)))}%`,
    };
  }
  console.log(`${backend}, ${steps} steps`);
  console.table(rows);
} finally {
  await page.close();
}
