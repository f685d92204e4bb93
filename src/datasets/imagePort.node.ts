import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ImageSource } from './example.js';
import type { ImageProcessorConfig } from './imageConfig.js';
import type { ImagePort, ImageReply, PortListeners } from './imageRequest.js';

/** Where the package has the code of the worker: beside this one. */
export const packagedWorker: URL | undefined = new URL('./imageWorker.js', import.meta.url);

/** Whether a worker can be started at all: its file is not there in a bundle of an application. */
export function canStart(file: URL | undefined): boolean {
  return file?.protocol !== 'file:' || existsSync(fileURLToPath(file));
}

/** Starts a thread that reads pictures. It keeps no process alive unless it is held. */
export function openPort(
  file: URL | undefined,
  config: ImageProcessorConfig,
  { onReply, onEnd }: PortListeners,
): ImagePort {
  const worker = new Worker(file!, { workerData: config });
  worker.on('message', (reply: ImageReply) => onReply(reply));
  worker.on('error', () => onEnd());
  worker.on('exit', () => onEnd());
  return {
    post: (request) => worker.postMessage(request, []),
    hold: (held) => (held ? worker.ref() : worker.unref()),
    end: async () => void (await worker.terminate()),
  };
}

/** Whether a source can be sent to the worker as it is. */
export function isSendable(source: ImageSource): boolean {
  return (
    typeof source === 'string' || source instanceof ArrayBuffer || source instanceof Uint8Array
  );
}
