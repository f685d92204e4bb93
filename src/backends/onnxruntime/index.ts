import { findBackend, registerBackend } from '@tensorflow/tfjs-core';
import { OnnxRuntimeBackend } from './backend.js';
import { registerKernels } from './kernels/index.js';
import type { RuntimeOptions } from './runtime.js';
import { loadRuntime } from './runtime.node.js';

const NAME = 'onnxruntime';

/**
 * Registers the backend `onnxruntime` with TensorFlow.js, unless that has been done. ONNX Runtime itself is loaded
 * when the first value is computed.
 */
export function registerOnnxRuntime(options: RuntimeOptions = {}): OnnxRuntimeBackend {
  const known = findBackend(NAME);
  if (known !== null && known !== undefined) return known as OnnxRuntimeBackend;
  registerBackend(NAME, () => new OnnxRuntimeBackend(() => loadRuntime(options)));
  registerKernels(NAME);
  return findBackend(NAME) as OnnxRuntimeBackend;
}
