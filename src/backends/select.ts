import type * as Wasm from '@tensorflow/tfjs-backend-wasm';
import { backend, device_util, engine, env, findBackend, setBackend } from '@tensorflow/tfjs-core';
import { InputError, messageOf } from '../errors.js';
import { chooseBackend, failureAdvice } from './choose.js';
import type { BackendChoice } from './choose.js';
import { registerGradients } from './gradients.js';
import { renewLostBackend } from './lost.js';
import { checkThreads, registerOnnxRuntime } from './onnxruntime/index.js';
import type { RuntimeOptions } from './onnxruntime/runtime.js';
import type { BackendName, BackendNeeds } from './preference.js';
import { BackendUnavailableError } from './unavailable.js';
import { watchContext } from './webgl/lost.js';
import type { WebGlBackend } from './webgl/lost.js';
import type { WebGpuBackend } from './webgpu/backend.js';
import { watchDevice } from './webgpu/lost.js';

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
  /** Takes how it is to run; throws where that is wrong or comes too late. */
  readonly configure?: (options: BackendOptions) => void;
  /** Makes the backend known to TensorFlow.js; throws where it cannot run. */
  readonly load: (options: BackendOptions) => Promise<void>;
  /** What is to be done once it is in use. */
  readonly started?: () => void;
  readonly install: string;
}

const candidates: Readonly<Record<BackendName, Candidate>> = {
  onnxruntime: {
    configure: (options) => void registerOnnxRuntime(options),
    load: loadOnnxRuntime,
    install: 'onnxruntime-node',
  },
  tensorflow: { load: loadTensorFlowPackage, install: '@tensorflow/tfjs-node' },
  webgpu: {
    load: loadWebGpu,
    started: () => watchDevice(backend() as WebGpuBackend),
    install: '@tensorflow/tfjs-backend-webgpu',
  },
  webgl: {
    load: loadWebGl,
    started: () => watchContext(backend() as WebGlBackend),
    install: '@tensorflow/tfjs-backend-webgl',
  },
  wasm: { load: loadWasm, install: '@tensorflow/tfjs-backend-wasm' },
  cpu: { load: loadCpu, install: '@tensorflow/tfjs-backend-cpu' },
};

/**
 * Chooses the TensorFlow.js backend that everything from here on computes on.
 *
 * @param name a backend, or `auto`: the best of those that are present and can hold what is to be computed. With
 *   `executionProvider`, which only `onnxruntime` has, that is the one it takes.
 * @returns the name of the backend that is in use.
 * @throws InputError where the backend is unknown or an option is out of its range; BackendUnavailableError where it
 *   cannot run here: the message says what to install.
 */
export async function useBackend(
  name: BackendName | 'auto' = 'auto',
  options: BackendOptions = {},
): Promise<BackendName> {
  registerGradients();
  checkThreads(options.threads);
  if (name !== 'auto') return use(name, options);
  if (options.executionProvider !== undefined) return use('onnxruntime', options);
  const choice = await chooseBackend((candidate) => use(candidate, options), options.needs);
  options.onChoice?.(choice);
  advise(failureAdvice(choice), options);
  return choice.name;
}

async function use(name: BackendName, options: BackendOptions): Promise<BackendName> {
  const candidate = Object.hasOwn(candidates, name) ? candidates[name] : undefined;
  if (candidate === undefined) {
    const known = ['auto', ...Object.keys(candidates)].join(', ');
    throw new InputError(`useBackend: the backend must be one of ${known}, got ${String(name)}`);
  }
  candidate.configure?.(options);
  try {
    await candidate.load(options);
    if (await setBackend(name)) {
      candidate.started?.();
      return name;
    }
  } catch (error) {
    throw unavailable(name, error);
  }
  throw unavailable(name, new Error('TensorFlow.js could not start it'));
}

/** What is told of a backend that did not load; an InputError says itself what to do. */
function unavailable(name: BackendName, cause: unknown): BackendUnavailableError {
  if (cause instanceof BackendUnavailableError) return cause;
  const why = firstLine(messageOf(cause));
  const remedy =
    cause instanceof InputError ? undefined : `npm install ${candidates[name].install}`;
  return new BackendUnavailableError(name, why, remedy, { cause });
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

/** Says something once. */
function advise(advice: string | undefined, { onAdvice = console.warn }: BackendOptions): void {
  if (advice === undefined || advised.has(advice)) return;
  advised.add(advice);
  onAdvice(advice);
}

async function loadOnnxRuntime(options: BackendOptions): Promise<void> {
  const { advice } = await registerOnnxRuntime(options).executor.runtime();
  advise(advice, options);
}

async function loadCpu(): Promise<void> {
  await import('@tensorflow/tfjs-backend-cpu');
  // TensorFlow.js greets users of its CPU backend in Node with an advertisement.
  const cpu = findBackend('cpu') as { firstUse?: boolean } | null;
  if (cpu !== null && 'firstUse' in cpu) cpu.firstUse = false;
}

// Bundlers follow an import only where its name is written out, and go on without the package only within `try`.

async function loadWebGpu(): Promise<void> {
  env(); // The package adds its flags to TensorFlow.js's environment, which must be there.
  await requireWebGpu();
  try {
    await import('@tensorflow/tfjs-backend-webgpu');
  } catch (error) {
    throw unavailable('webgpu', error);
  }
  const { registerWebGpuKernels } = await import('./webgpu/index.js');
  registerWebGpuKernels();
  renewLostBackend('webgpu');
}

/** Where there is no card, TensorFlow.js fails without saying so. */
async function requireWebGpu(): Promise<void> {
  const { gpu } = (globalThis.navigator ?? {}) as { gpu?: { requestAdapter(): Promise<unknown> } };
  if (gpu === undefined)
    throw lacking(
      'webgpu',
      'there is no WebGPU: it takes a newer browser, and a page that comes by https',
    );
  if ((await gpu.requestAdapter()) === null)
    throw lacking('webgpu', 'WebGPU finds no graphics card');
}

async function loadWebGl(): Promise<void> {
  const environment = env();
  if (!device_util.isBrowser()) throw lacking('webgl', 'WebGL is for browsers');
  try {
    await import('@tensorflow/tfjs-backend-webgl');
  } catch (error) {
    throw unavailable('webgl', error);
  }
  if (environment.getNumber('WEBGL_VERSION') === 0)
    throw lacking('webgl', 'this browser gives the page no WebGL');
  renewLostBackend('webgl');
}

/** A backend that no installation brings here. */
function lacking(name: BackendName, why: string): BackendUnavailableError {
  return new BackendUnavailableError(name, why, 'choose another');
}

async function loadWasm({ threads, wasmPaths }: BackendOptions): Promise<void> {
  env();
  const { setThreadsCount, setWasmPaths } = await importWasm();
  const { registerWasmKernels } = await import('./wasm/index.js');
  registerWasmKernels();
  if ('wasm' in engine().registry) return; // it runs already
  if (threads !== undefined) setThreadsCount(threads);
  if (wasmPaths !== undefined) setWasmPaths(wasmPaths.endsWith('/') ? wasmPaths : `${wasmPaths}/`);
}

async function importWasm(): Promise<typeof Wasm> {
  try {
    return await import('@tensorflow/tfjs-backend-wasm');
  } catch (error) {
    throw unavailable('wasm', error);
  }
}

async function loadTensorFlowPackage(): Promise<void> {
  env();
  const { loadTensorFlow } = await import('./tensorflow/load.node.js');
  await loadTensorFlow();
  const { registerTensorFlowKernels } = await import('./tensorflow/padding.js');
  registerTensorFlowKernels();
}
