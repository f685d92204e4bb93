import { BertResNetModel } from '../../../src/model.js';
import { zipFolder } from '../../../src/files/zipFolder.js';
import { listFolder, openFile, recoverFolder } from '../../../src/weights/files.browser.js';
import { useBackend } from '../../../src/backends/select.js';
import { messageOf } from '../../../src/errors.js';
import { weightsOf } from '../../training/tiny.js';
import type { Order, Said, Task } from './runWorker.js';

/** Where a run is stopped: behind a step, or within the writing of a file. */
export interface Stop {
  readonly step?: number;
  readonly writing?: number;
}

export interface Ran {
  readonly losses: (number | null)[];
  /** `done`, what the run failed by, or `stopped`. */
  readonly ended: string;
  /** How often the page's timer had its turn meanwhile. */
  readonly turns: number;
}

/** Trains in a Worker; a stop by its step pauses it, within a write it is killed. */
export function train(order: Task, stop: Stop = {}): Promise<Ran> {
  return follow(startWorker(), order, stop);
}

const startWorker = (): Worker => new Worker('/runWorker.js', { type: 'module' });

/** Trains in a Worker, and in another one that is begun behind the first step of the first, in the same folder. */
export async function contend(outputDir: string): Promise<{ first: Ran; second: Ran }> {
  const worker = startWorker();
  const stepped = new Promise<void>((resolve) =>
    worker.addEventListener('message', ({ data }: MessageEvent<Said>) => {
      if ('step' in data) resolve();
    }),
  );
  const first = follow(worker, { outputDir, holdAt: 3 });
  await stepped;
  const second = await train({ outputDir, resume: true });
  worker.postMessage('go on' satisfies Order, []);
  return { first: await first, second };
}

async function follow(worker: Worker, order: Task, stop: Stop = {}): Promise<Ran> {
  const losses: (number | null)[] = [];
  let turns = 0;
  const timer = setInterval(() => void turns++, 5);
  const ended = await new Promise<string>((resolve) => {
    worker.addEventListener('message', ({ data }: MessageEvent<Said>) => {
      if ('done' in data) return resolve(data.done);
      if ('writing' in data) {
        if (data.writing === stop.writing) resolve('stopped');
        return;
      }
      losses.push(data.loss);
      if (data.step === stop.step) worker.postMessage('pause' satisfies Order, []);
    });
    worker.addEventListener('error', ({ message }) => resolve(message));
    worker.postMessage(order, []);
  });
  worker.terminate();
  clearInterval(timer);
  return { losses, ended, turns };
}

/** The products of a run, as text or as a sum of their bytes, and the names in its folders. */
export async function products(run: string): Promise<Record<string, string>> {
  await recoverFolder(`${run}/model`);
  const found: Record<string, string> = {};
  for (const folder of ['', '/model', '/checkpoint']) {
    for (const name of await listFolder(run + folder)) {
      if (folder === '' && ['model', 'checkpoint'].includes(name)) continue;
      const file = await openFile(`${run}${folder}/${name}`);
      const hash = await crypto.subtle.digest(
        'SHA-256',
        new Uint8Array(await file.read(0, file.size)),
      );
      found[`${folder}/${name}`] = String(new Uint8Array(hash));
    }
  }
  return found;
}

/** The weights of a model, by its folder or address. */
export async function load(source: string): Promise<Record<string, number[]> | string> {
  await useBackend('cpu');
  try {
    return await weightsOf(await BertResNetModel.fromPretrained(source));
  } catch (error) {
    return messageOf(error);
  }
}

export async function zip(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await zipFolder(path)).arrayBuffer());
}
