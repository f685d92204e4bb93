import { engine, registerBackend, removeBackend } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from './backend.js';

/** What a GPUDevice says when it is lost. */
interface LossInfo {
  /** `destroyed` where the program did it, else `unknown`. */
  readonly reason: string;
  readonly message: string;
}

/** Backends whose device is watched, and those whose device is lost. */
const watched = new WeakSet<object>();
const losses = new WeakMap<object, LossInfo>();

/** Milliseconds in which a browser tells that a device is lost, after what was read of it has failed. */
const patience = 1_000;

/**
 * Has every value that is read of a backend be an error that says what to do, once its device is lost: a driver that is
 * updated, a card that is overtaxed or asleep. TensorFlow.js would tell only that a buffer cannot be mapped.
 */
export function watchDevice(backend: WebGpuBackend): void {
  if (watched.has(backend)) return;
  watched.add(backend);
  const lost = backend.device.lost.then((info) => void losses.set(backend, info));
  const read = backend.read.bind(backend);
  backend.read = async (dataId) => {
    try {
      const values = await read(dataId);
      refuseLost(backend);
      return values;
    } catch (error) {
      await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, patience))]);
      refuseLost(backend, error);
      throw error;
    }
  };
}

function refuseLost(backend: object, cause?: unknown): void {
  const loss = losses.get(backend);
  if (loss === undefined) return;
  const why = [loss.reason, loss.message].filter((text) => text !== '').join(': ');
  throw new Error(
    `webgpu: the graphics card must stay with the page, and the browser took it away (${why}); what was computed on it ` +
      'is gone, and what was saved is not: call useBackend, make the model anew, and go on from the last checkpoint ' +
      'with resume: true',
    { cause },
  );
}

/** Has the backend begin with another device where it has lost its own; to be called before it is used. */
export function renewLostBackend(): void {
  const { registry, registryFactory } = engine();
  const backend = registry['webgpu'];
  if (backend === undefined || !losses.has(backend)) return;
  const { factory, priority } = registryFactory['webgpu']!;
  removeBackend('webgpu');
  registerBackend('webgpu', factory, priority);
}
