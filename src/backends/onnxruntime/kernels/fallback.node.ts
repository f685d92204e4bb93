import { createRequire } from 'node:module';

/** Loads TensorFlow.js's `cpu` backend within the call; it registers itself. */
export function loadCpuKernels(): void {
  createRequire(import.meta.url)('@tensorflow/tfjs-backend-cpu');
}
