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

type Way = (typeof ways)[number];

/**
 * The ways but those that take a card in software too long for `npm test`, by what computes there. The long check
 * (`npm run test:browser:long`) leaves none out.
 */
export function waysBut(...slow: readonly Way[2][]): Way[] {
  if (process.env['BERTRESNET_LONG'] !== undefined) return [...ways];
  return ways.filter(([, , computedBy]) => !slow.includes(computedBy));
}
