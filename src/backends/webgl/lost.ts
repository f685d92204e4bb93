import type { KernelBackend } from '@tensorflow/tfjs-core';
import { markLost, refuseLost } from '../lost.js';

/** What of TensorFlow.js's WebGL backend touches the card. */
export interface WebGlBackend extends KernelBackend {
  readonly gpgpu: {
    readonly gl: {
      readonly canvas: Pick<EventTarget, 'addEventListener'>;
      isContextLost(): boolean;
    };
    /** Those who wait until the card is done. */
    readonly itemsToPoll: { resolveFn(): void }[];
    createAndWaitForFence(): Promise<void>;
  };
  runWebGLProgram(...given: unknown[]): unknown;
  uploadToGPU(...given: unknown[]): unknown;
}

const watched = new WeakSet<object>();

/**
 * Has whatever is computed or read of a backend be an error that says what to do, once its context is lost. TensorFlow.js
 * would read zeros, fail to make a texture, or wait for ever.
 */
export function watchContext(backend: WebGlBackend): void {
  if (watched.has(backend)) return;
  watched.add(backend);
  const { gpgpu } = backend;
  const mark = (): void => markLost(backend, 'its WebGL context is lost');
  gpgpu.gl.canvas.addEventListener('webglcontextlost', () => {
    mark(); // Here, too: a context that the browser restores is not lost any more, and empty.
    for (const { resolveFn } of gpgpu.itemsToPoll.splice(0)) resolveFn();
  });
  const refuse = (cause?: unknown): void => {
    if (gpgpu.gl.isContextLost()) mark();
    refuseLost('webgl', backend, cause);
  };

  const wait = gpgpu.createAndWaitForFence.bind(gpgpu);
  gpgpu.createAndWaitForFence = async () => {
    refuse(); // A lost context has no fences: TensorFlow.js would wait for none.
    await wait();
  };
  const read = backend.read.bind(backend);
  backend.read = async (dataId) => {
    const values = await read(dataId).catch((error: unknown) => {
      refuse(error);
      throw error;
    });
    refuse(); // They may be zeros.
    return values;
  };
  const refuseFailed = <A extends unknown[], R>(call: (...given: A) => R) => {
    return (...given: A): R => {
      try {
        return call.apply(backend, given);
      } catch (error) {
        refuse(error);
        throw error;
      }
    };
  };
  const readSync = refuseFailed(backend.readSync);
  backend.readSync = (dataId) => {
    const values = readSync(dataId);
    refuse();
    return values;
  };
  backend.runWebGLProgram = refuseFailed(backend.runWebGLProgram);
  backend.uploadToGPU = refuseFailed(backend.uploadToGPU);
}
