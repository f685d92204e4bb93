import { expect, test } from 'vitest';
import { expectPyTorchs } from '../training/parity.js';
import { expectInTable } from '../whatRan.js';
import { describePage } from './chromium.js';
import type { Trained } from './pages/training.js';

/** Backends, how they are to run, and what computes then. */
const ways = [
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

describePage('training', 'five AdamW steps of a whole model equal PyTorch’s', (page) => {
  test.each(ways)('on %s %o', async (backend, options, computedBy) => {
    await page().load();
    const trained = await page().call<Trained>('train', backend, options);
    expect(trained.left, 'tensors left behind').toBe(0);
    expectPyTorchs(trained);
    expectInTable({ where: 'Chromium', backend, computedBy });
  });
});
