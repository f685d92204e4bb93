/** Backends that Chromium has, how they are to run, and what computes then. */
export const ways = [
  ['cpu', {}, 'JavaScript'],
  [
    'wasm',
    { wasmPaths: '/tfjs-wasm/' },
    "TensorFlow.js's WebAssembly, threads, and this library's kernels",
  ],
  ['webgl', {}, "TensorFlow.js's shaders, float32 textures"],
  ['webgpu', {}, "TensorFlow.js's shaders and this library's"],
  ['onnxruntime', { wasmPaths: '/ort-wasm/' }, 'onnxruntime-web, WebAssembly, threads'],
  [
    'onnxruntime',
    { wasmPaths: '/ort-wasm/', executionProvider: 'webgpu' },
    'onnxruntime-web, its WebGPU provider',
  ],
] as const;
