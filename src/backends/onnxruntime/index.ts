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
  let threads: number | undefined;
  let loaded = false;
  return {
    configure: ({ threads: wanted = threads }) => {
      checkThreads(wanted, threads, loaded);
      threads = wanted;
    },
    load: () => {
      loaded = true;
      return loadRuntime({ threads });
    },
    loadSync: () => {
      loaded = true;
      return loadRuntimeSync({ threads });
    },
  };
}

function checkThreads(wanted: number | undefined, now: number | undefined, loaded: boolean): void {
  if (wanted === now) return;
  if (!Number.isInteger(wanted) || wanted! < 1) {
    throw new InputError(`onnxruntime: threads must be an integer of at least 1, got ${wanted}`);
  }
  if (loaded) {
    throw new InputError(
      `onnxruntime: threads cannot change once something was computed, got ${wanted} after ` +
        `${now ?? 'one for each core'}; choose them first`,
    );
  }
}
