import { findBackend, registerBackend } from '@tensorflow/tfjs-core';
import { InputError } from '../../errors.js';
import { OnnxRuntimeBackend } from './backend.js';
import { debugLevel, debugObserver } from './debug.js';
import { registerKernels } from './kernels/index.js';
import type { RuntimeLoader, RuntimeOptions } from './runtime.js';
import { debugVariable, loadRuntime, loadRuntimeSync } from './runtime.node.js';

const NAME = 'onnxruntime';

/** Above TensorFlow.js's own backends, of which the highest has 3: where none was chosen, this one is taken. */
const PRIORITY = 4;

/**
 * Registers the backend `onnxruntime` with TensorFlow.js, unless that has been done. ONNX Runtime itself is loaded
 * when the first value is computed.
 *
 * @throws InputError where it is asked for other threads than those that compute already.
 */
export function registerOnnxRuntime(options: RuntimeOptions = {}): OnnxRuntimeBackend {
  // One that another copy of this module registered serves as well, such as that of the CommonJS build.
  const backend = (findBackend(NAME) as OnnxRuntimeBackend | null) ?? register();
  backend.executor.loader.configure(options);
  return backend;
}

function register(): OnnxRuntimeBackend {
  const level = debugLevel(debugVariable() ?? 0, 'onnxruntime: BERTRESNET_DEBUG');
  const backend = new OnnxRuntimeBackend(loader());
  backend.executor.observer = debugObserver(level);
  // One for every call: TensorFlow.js calls again where it chooses the best of the backends itself.
  registerBackend(NAME, () => backend, PRIORITY);
  registerKernels(NAME);
  return backend;
}

function loader(): RuntimeLoader {
  let options: RuntimeOptions = {};
  let loaded = false;
  /** What could not be loaded is not held to. */
  const forget = (error: unknown): never => {
    options = {};
    loaded = false;
    throw error;
  };
  return {
    get executionProvider() {
      return options.executionProvider;
    },
    configure: ({ threads, executionProvider, wasmPaths }) => {
      const wanted = defined({ threads, executionProvider, wasmPaths });
      checkThreads(wanted.threads);
      if (loaded) refuseChange(wanted, options);
      options = { ...options, ...wanted };
    },
    load: () => {
      loaded = true;
      return loadRuntime(options).catch(forget);
    },
    loadSync: () => {
      loaded = true;
      try {
        return loadRuntimeSync(options);
      } catch (error) {
        return forget(error);
      }
    },
  };
}

/** What is asked for. */
function defined(options: RuntimeOptions): RuntimeOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** @throws InputError where it is no number of threads */
export function checkThreads(threads: number | undefined): void {
  if (threads === undefined || (Number.isInteger(threads) && threads >= 1)) return;
  throw new InputError(`onnxruntime: threads must be an integer of at least 1, got ${threads}`);
}

function refuseChange(wanted: RuntimeOptions, now: RuntimeOptions): void {
  for (const [name, value] of Object.entries(wanted)) {
    const present = now[name as keyof RuntimeOptions];
    if (value === present) continue;
    throw new InputError(
      `onnxruntime: ${name} cannot change once something was computed, got ${value} after ` +
        `${present ?? 'the default'}; choose it first`,
    );
  }
}
