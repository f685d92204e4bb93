import { expect, test } from 'vitest';
import { webGpuKernels } from '../../src/backends/webgpu/index.js';
import { expectClose } from '../backends.js';
import { describePage } from './chromium.js';
import { compute, operators, pools } from './pages/operators.js';
import type { Computed } from './pages/operators.js';

// A tenth of what whole models are held to: single operators, whose sums are only added up in another order.
const tolerance = { relative: 1e-5, absolute: 1e-6 };

describePage('operators', 'this library’s operators on webgpu are those on cpu', (page) => {
  test.each(Object.keys(operators))('%s, and its gradients', async (operator) => {
    const expected = await page().call<Computed>('compute', 'cpu', operator);
    const actual = await page().call<Computed>('compute', 'webgpu', operator);
    expect(Object.keys(actual.results)).toEqual(Object.keys(expected.results));
    for (const [name, values] of Object.entries(actual.results)) {
      expectClose(values, expected.results[name]!, tolerance);
    }
    expect(actual.left, 'tensors left behind').toBe(0);
  });

  test.each(Object.keys(pools))(
    'the gradient of %s where ONNX Runtime computes on the card',
    async (pool) => {
      const provider = { wasmPaths: '/ort-wasm/', executionProvider: 'webgpu' } as const;
      const expected = await compute('onnxruntime', pool); // in Node, by the positions of the largest
      const actual = await page().call<Computed>('compute', 'onnxruntime', pool, provider);
      for (const [name, values] of Object.entries(actual.results)) {
        expectClose(values, expected.results[name]!, tolerance);
      }
      expect(actual.left, 'tensors left behind').toBe(0);
    },
  );

  test('each of them ran', async () => {
    const called = await page().call<string[]>('calledKernels');
    expect(called.sort()).toEqual(Object.keys(webGpuKernels).sort());
    expect(page().console.filter((line) => /^(error|warning|uncaught)/.test(line))).toEqual([]);
  });
});
