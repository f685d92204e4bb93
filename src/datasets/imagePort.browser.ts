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
  const worker =
    file === undefined
      ? // In this very form bundlers know that it is a worker, and bundle it.
        new Worker(new URL('./imageWorker.js', import.meta.url), { type: 'module' })
      : new Worker(file, { type: 'module' });
  worker.addEventListener('message', ({ data }: MessageEvent<ImageReply>) => onReply(data));
  worker.addEventListener('error', ({ message }) =>
    onEnd(message || 'its code could not be loaded'),
  );
  worker.postMessage(config, []);
  return {
    post: (request) => worker.postMessage(request, []),
    hold: () => {},
    end: async () => worker.terminate(),
  };
}

/** Whether a source can be sent to the worker as it is; an address would be read from elsewhere. */
export function isSendable(source: ImageSource): boolean {
  return source instanceof ArrayBuffer || source instanceof Uint8Array || source instanceof Blob;
}
