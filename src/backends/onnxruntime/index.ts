import { findBackend, registerBackend } from '@tensorflow/tfjs-core';
import { InputError } from '../../errors.js';
import { OnnxRuntimeBackend } from './backend.js';
import { registerKernels } from './kernels/index.js';
import type { RuntimeLoader, RuntimeOptions } from './runtime.js';
import { loadRuntime, loadRuntimeSync } from './runtime.node.js';

const NAME = 'onnxruntime';

/** How ONNX Runtime is to be loaded, and whether it has been. */
const runtime: { threads: number | undefined; loaded: boolean } = {
  threads: undefined,
  loaded: false,
};

/**
 * Registers the backend `onnxruntime` with TensorFlow.js, unless that has been done. ONNX Runtime itself is loaded
 * when the first value is computed.
 *
 * @throws InputError where it is asked for other threads than those that compute already.
 */
export function registerOnnxRuntime({ threads }: RuntimeOptions = {}): OnnxRuntimeBackend {
  if (threads !== undefined) setThreads(threads);
  const known = findBackend(NAME) as OnnxRuntimeBackend | null;
  if (known) return known;
  registerBackend(NAME, () => new OnnxRuntimeBackend(loader));
  registerKernels(NAME);
  return findBackend(NAME) as OnnxRuntimeBackend;
}

function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InputError(`onnxruntime: threads must be an integer of at least 1, got ${threads}`);
  }
  if (runtime.loaded && threads !== runtime.threads) {
    const now = runtime.threads ?? 'one for each core';
    throw new InputError(
      `onnxruntime: threads cannot change once something was computed, got ${threads} after ${now}; ` +
        'call useBackend with threads first',
    );
  }
  runtime.threads = threads;
}

const loader: RuntimeLoader = {
  load: () => {
    runtime.loaded = true;
    return loadRuntime({ threads: runtime.threads });
  },
  loadSync: () => {
    runtime.loaded = true;
    return loadRuntimeSync({ threads: runtime.threads });
  },
};
