import { messageOf } from '../errors.js';
import type { ImageSource } from './example.js';
import type { ImageProcessorConfig } from './imageConfig.js';
import type { ImagePort, ImageReply, PortListeners } from './imageRequest.js';

/** Where a worker's code is, if not where the package has it. */
export const packagedWorker: URL | undefined = undefined;

/** Whether a worker can be started at all. */
export function canStart(_file: URL | undefined): boolean {
  return typeof Worker === 'function' && typeof OffscreenCanvas === 'function';
}

/** Starts a Worker that reads pictures. */
export function openPort(
  file: URL | undefined,
  config: ImageProcessorConfig,
  { onReply, onEnd }: PortListeners,
): ImagePort {
  const starting = file === undefined ? startPackaged() : started(new Worker(file, module));
  const use = (act: (worker: Worker) => void): void => {
    starting.then(act).catch((error: unknown) => onEnd(messageOf(error)));
  };
  use((worker) => {
    worker.addEventListener('message', ({ data }: MessageEvent<ImageReply>) => onReply(data));
    worker.addEventListener('error', ({ message }) => onEnd(message));
    worker.postMessage(config, []);
  });
  return {
    post: (request) => use((worker) => worker.postMessage(request, [])),
    hold: () => {},
    end: async () => (await starting.catch(() => undefined))?.terminate(),
  };
}

/** Whether a source can be sent to the worker as it is; an address would be read from elsewhere. */
export function isSendable(source: ImageSource): boolean {
  return source instanceof ArrayBuffer || source instanceof Uint8Array || source instanceof Blob;
}

const module = { type: 'module' } as const;

/**
 * Starts the package's worker: of its code, which every way to build or to serve a program brings along; where a policy
 * of the page allows that not, of its file, which some bundlers bring.
 */
async function startPackaged(): Promise<Worker> {
  try {
    return await startOfCode();
  } catch {
    // In this very form bundlers know that it is a worker, and bundle it.
    return started(new Worker(new URL('./imageWorker.js', import.meta.url), { type: 'module' }));
  }
}

async function startOfCode(): Promise<Worker> {
  const { imageWorkerCode } = await import('./imageWorkerCode.browser.js');
  if (imageWorkerCode === undefined) throw new Error('it was not built');
  const url = URL.createObjectURL(new Blob([imageWorkerCode], { type: 'text/javascript' }));
  try {
    return await started(new Worker(url, module));
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** A worker that has said that it is there. */
function started(worker: Worker): Promise<Worker> {
  return new Promise((resolve, reject) => {
    worker.addEventListener('message', () => resolve(worker), { once: true });
    worker.addEventListener('error', ({ message }) =>
      reject(new Error(message || 'its code could not be loaded')),
    );
  });
}
