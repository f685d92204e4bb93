import { refuseLargeModels } from './preference.js';
import type { Preference } from './preference.js';

/** What `auto` tries in a browser, the best first. */
export const preferences: readonly Preference[] = [
  {
    name: 'onnxruntime',
    why: 'compiled programs on ONNX Runtime as WebAssembly',
    refuse: refuseLargeModels,
  },
  { name: 'wasm', why: "TensorFlow.js's WebAssembly kernels", refuse: refuseLargeModels },
  { name: 'cpu', why: 'plain JavaScript, which is always there' },
];
