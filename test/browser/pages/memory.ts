import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../../src/backends/select.js';
import type { BackendName, BackendOptions } from '../../../src/backends/select.js';
import { stats } from '../../../src/onnxruntime.js';
import type { BertResNetModel } from '../../../src/model.js';
import { Trainer } from '../../../src/training/trainer.js';
import { tinyData, tinyModel } from '../../training/tiny.js';

/** What is held, by what holds it. */
export type Counts = Readonly<Record<string, number>>;

let model: BertResNetModel | undefined;
let ended: Promise<unknown> | undefined;
let goOn: () => void = () => {};
/** Told of the step at which the run is held. */
let reached: () => void = () => {};
let holdAt = 0;

/** Begins a run of so many steps, which is held before its first. */
export async function begin(name: BackendName, options: BackendOptions, steps: number) {
  await useBackend(name, options);
  model = await tinyModel();
  const trainer = new Trainer(model, {
    epochs: 1,
    batchSize: 4,
    learningRate: 1e-3,
    checkpointMinutes: 0, // one that falls due on a slow machine would compile a program of its own
    onWarning: () => {},
    onStep: async ({ step }) => {
      if (step !== holdAt) return;
      const held = new Promise<void>((resolve) => (goOn = resolve));
      reached();
      await held;
    },
  });
  const data = tinyData(4 * (steps + 10)); // batches are read ahead, also behind the last step that is counted
  goOn = () => void (ended = trainer.fit(data));
}

/** Trains to a step, and holds the run behind it. */
export async function trainTo(step: number): Promise<Counts> {
  holdAt = step;
  const there = new Promise<void>((resolve) => (reached = resolve));
  goOn();
  await Promise.race([there, ended]);
  return counts();
}

/** Trains to the end, and frees the model. */
export async function finish(): Promise<Counts> {
  goOn();
  await ended;
  model?.dispose();
  return counts();
}

export function counts(): Counts {
  const { numTensors, numDataBuffers, numBytes } = tf.memory();
  return { tensors: numTensors, dataBuffers: numDataBuffers, bytes: numBytes, ...ofBackend() };
}

interface Managed {
  readonly bufferManager: { readonly numUsedBuffers: number; readonly numBytesAllocated: number };
  readonly textureManager: { readonly numUsedTextures: number; readonly numBytesAllocated: number };
  readonly wasm: { readonly HEAPU8: Uint8Array };
  readonly tensorMap: { numDataIds(): number };
}

/** What a backend holds beside TensorFlow.js's count. */
function ofBackend(): Counts {
  const { bufferManager, textureManager, wasm } = tf.backend() as unknown as Managed;
  switch (tf.getBackend()) {
    case 'webgpu':
      return {
        gpuBuffers: bufferManager.numUsedBuffers,
        gpuBytes: bufferManager.numBytesAllocated,
      };
    case 'webgl':
      return {
        textures: textureManager.numUsedTextures,
        gpuBytes: textureManager.numBytesAllocated,
      };
    case 'wasm':
      return { memory: wasm.HEAPU8.length };
    case 'onnxruntime': {
      const { values, buffers, pending, executables } = stats();
      return { values, buffers, pending, executables };
    }
    default:
      return {};
  }
}
