import type * as Wasm from '@tensorflow/tfjs-backend-wasm';
import { engine, env, findBackend, setBackend } from '@tensorflow/tfjs-core';
import { InputError, messageOf } from '../errors.js';
import { chooseBackend } from './choose.js';
import type { BackendChoice } from './choose.js';
import { registerGradients } from './gradients.js';
import { registerOnnxRuntime } from './onnxruntime/index.js';
import type { RuntimeOptions } from './onnxruntime/runtime.js';
import type { BackendName, BackendNeeds } from './preference.js';
import { registerTensorFlowKernels } from './tensorflow/padding.js';
import { registerWasmKernels } from './wasm/index.js';
import { registerWebGpuKernels } from './webgpu/index.js';

export type { BackendName } from './preference.js';

/** How a backend is to run. */
export interface BackendOptions extends RuntimeOptions {
  /** Told once what could be faster, and how; default: `console.warn`. */
  readonly onAdvice?: (advice: string) => void;
  /** Told what `auto` chose and why, and what would be faster; default: nothing is said. */
  readonly onChoice?: (choice: BackendChoice) => void;
  /** What is to be computed: `auto` chooses a backend that can hold it. */
  readonly needs?: BackendNeeds;
}

interface Candidate {
  /** Makes the backend known to TensorFlow.js; throws where it cannot run. */
  readonly load: (options: BackendOptions) => Promise<void>;
  readonly install: string;
}

const candidates: Readonly<Record<BackendName, Candidate>> = {
  onnxruntime: { load: loadOnnxRuntime, install: 'onnxruntime-node' },
  tensorflow: { load: loadTensorFlowPackage, install: '@tensorflow/tfjs-node' },
  webgpu: { load: loadWebGpu, install: '@tensorflow/tfjs-backend-webgpu' },
  webgl: { load: loadWebGl, install: '@tensorflow/tfjs-backend-webgl' },
  wasm: { load: loadWasm, install: '@tensorflow/tfjs-backend-wasm' },
  cpu: { load: loadCpu, install: '@tensorflow/tfjs-backend-cpu' },
};

/**
 * Chooses the TensorFlow.js backend that everything from here on computes on.
 *
 * @param name a backend, or `auto`: the best of those that are present and can hold what is to be computed.
 * @returns the name of the backend that is in use.
 * @throws InputError where the backend is unknown or cannot run here; the message says what to install.
 */
export async function useBackend(
  name: BackendName | 'auto' = 'auto',
  options: BackendOptions = {},
): Promise<BackendName> {
  registerGradients();
  if (name !== 'auto') return use(name, options);
  const choice = await chooseBackend((candidate) => use(candidate, options), options.needs);
  options.onChoice?.(choice);
  return choice.name;
}

async function use(name: BackendName, options: BackendOptions): Promise<BackendName> {
  const candidate = Object.hasOwn(candidates, name) ? candidates[name] : undefined;
  if (candidate === undefined) {
    const known = ['auto', ...Object.keys(candidates)].join(', ');
    throw new InputError(`useBackend: the backend must be one of ${known}, got ${String(name)}`);
  }
  try {
    await candidate.load(options);
    if (await setBackend(name)) return name;
  } catch (error) {
    throw error instanceof InputError ? error : unavailable(name, messageOf(error));
  }
  throw unavailable(name, 'TensorFlow.js could not start it');
}

function unavailable(name: BackendName, why: string): InputError {
  const { install } = candidates[name];
  return new InputError(
    `useBackend: the backend ${name} is not available here (${firstLine(why)}); ` +
      `npm install ${install}, or choose 'auto'`,
  );
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!;

/**
 * Makes sure that something can be computed, within the call: where no backend was chosen, the one that records
 * now and loads its engine when a value is read.
 */
export function ensureBackend(): void {
  registerGradients();
  if (engine().backendName) return;
  registerOnnxRuntime();
  void setBackend('onnxruntime');
}

const advised = new Set<string>();

async function loadOnnxRuntime(options: BackendOptions): Promise<void> {
  const { advice } = await registerOnnxRuntime(options).executor.runtime();
  if (advice === undefined || advised.has(advice)) return;
  advised.add(advice);
  (options.onAdvice ?? console.warn)(advice);
}

async function loadCpu(): Promise<void> {
  await import('@tensorflow/tfjs-backend-cpu');
  // TensorFlow.js greets users of its CPU backend in Node with an advertisement.
  const backend = findBackend('cpu') as { firstUse?: boolean } | null;
  if (backend !== null && 'firstUse' in backend) backend.firstUse = false;
}

// Bundlers follow an import only where its name is written out, and go on without the package only within `try`.

async function loadWebGpu(): Promise<void> {
  env(); // The package adds its flags to TensorFlow.js's environment, which must be there.
  try {
    await import('@tensorflow/tfjs-backend-webgpu');
  } catch (error) {
    throw unavailable('webgpu', messageOf(error));
  }
  registerWebGpuKernels();
}

async function loadWebGl(): Promise<void> {
  env();
  try {
    await import('@tensorflow/tfjs-backend-webgl');
  } catch (error) {
    throw unavailable('webgl', messageOf(error));
  }
}

async function loadWasm({ threads, wasmPaths }: BackendOptions): Promise<void> {
  env();
  const { setThreadsCount, setWasmPaths } = await importWasm();
  registerWasmKernels();
  if ('wasm' in engine().registry) return; // it runs already
  if (threads !== undefined) setThreadsCount(threads);
  if (wasmPaths !== undefined) setWasmPaths(wasmPaths.endsWith('/') ? wasmPaths : `${wasmPaths}/`);
}

async function importWasm(): Promise<typeof Wasm> {
  try {
    return await import('@tensorflow/tfjs-backend-wasm');
  } catch (error) {
    throw unavailable('wasm', messageOf(error));
  }
}

async function loadTensorFlowPackage(): Promise<void> {
  env();
  const { loadTensorFlow } = await import('./tensorflow/load.node.js');
  await loadTensorFlow();
  registerTensorFlowKernels();
}
