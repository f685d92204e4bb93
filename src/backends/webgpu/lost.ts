import { markLost, refuseLost } from '../lost.js';
import type { WebGpuBackend } from './backend.js';

const watched = new WeakSet<object>();

/** Milliseconds in which a browser tells that a device is lost, after what was read of it has failed. */
const patience = 1_000;

/**
 * Has every value that is read of a backend be an error that says what to do, once its device is lost. TensorFlow.js would
 * tell only that a buffer cannot be mapped.
 */
export function watchDevice(backend: WebGpuBackend): void {
  if (watched.has(backend)) return;
  watched.add(backend);
  const lost = backend.device.lost.then(({ reason, message }) =>
    markLost(backend, [reason, message].filter((text) => text !== '').join(': ')),
  );
  const read = backend.read.bind(backend);
  backend.read = async (dataId) => {
    try {
      const values = await read(dataId);
      refuseLost('webgpu', backend);
      return values;
    } catch (error) {
      await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, patience))]);
      refuseLost('webgpu', backend, error);
      throw error;
    }
  };
}
