/**
 * The compiled backend alone, for any TensorFlow.js program. Importing it registers the backend `onnxruntime`, which
 * is TensorFlow.js's choice where none was made yet, and the gradients of TensorFlow.js's kernels.
 *
 * @packageDocumentation
 */
import { registerGradients } from './backends/gradients.js';
import { debugLevel, debugObserver } from './backends/onnxruntime/debug.js';
import type { DebugLevel, DebugOptions } from './backends/onnxruntime/debug.js';
import type { ExecutionStats } from './backends/onnxruntime/executor.js';
import { registerOnnxRuntime } from './backends/onnxruntime/index.js';

export type { DebugLevel, DebugOptions } from './backends/onnxruntime/debug.js';
export type { ExecutionStats } from './backends/onnxruntime/executor.js';
export { InputError } from './errors.js';

registerGradients();
registerOnnxRuntime();

/**
 * Chooses the number of threads that compute; default: the number of physical cores.
 *
 * @throws InputError where it is no positive integer, or something was computed already.
 */
export function setThreads(threads: number): void {
  registerOnnxRuntime({ threads });
}

/**
 * Says what the backend does: which programs run, what they cost, and where. The environment's `BERTRESNET_DEBUG`
 * sets the level from the start.
 *
 * @throws InputError where there is no such level.
 */
export function setDebug(level: DebugLevel, options: DebugOptions = {}): void {
  const { executor } = registerOnnxRuntime();
  executor.observer = debugObserver(
    debugLevel(level, 'onnxruntime: the level of setDebug'),
    options,
  );
}

/** What has been executed so far, and what is held. */
export interface BackendStats extends ExecutionStats {
  /** Compiled programs that are kept. */
  readonly executables: number;
  /** The data of tensors, computed or not. */
  readonly values: number;
  /** Values that are recorded and not computed yet. */
  readonly pending: number;
  /** Buffers that tensors hold. */
  readonly buffers: number;
}

/** The counts of now: take them before and after what you measure. */
export function stats(): BackendStats {
  const backend = registerOnnxRuntime();
  const { executor } = backend;
  return {
    ...executor.stats,
    executables: executor.executableCount,
    values: backend.numDataIds(),
    pending: backend.pendingCount,
    buffers: backend.bufferCount,
  };
}
