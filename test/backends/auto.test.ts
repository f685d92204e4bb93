import { afterAll, expect, test, vi } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import type { BackendOptions } from '../../src/backends/select.js';
import type { BackendChoice } from '../../src/backends/choose.js';
import type * as RuntimeModule from '../../src/backends/onnxruntime/runtime.node.js';

/** Whether ONNX Runtime can be loaded. */
const engine = vi.hoisted(() => ({ broken: true }));

vi.mock('../../src/backends/onnxruntime/runtime.node.js', async (original) => {
  const real = await original<typeof RuntimeModule>();
  const loadRuntime: typeof real.loadRuntime = async (options) => {
    if (engine.broken) throw new Error('libonnxruntime.so: invalid ELF header\n  at dlopen');
    return real.loadRuntime(options);
  };
  return { ...real, loadRuntime };
});

afterAll(() => useBackend('cpu'));

test('a backend that does not start: the next one computes, and one message says so, once', async () => {
  const said: string[] = [];
  const choices: BackendChoice[] = [];
  const options: BackendOptions = {
    onAdvice: (advice) => said.push(advice),
    onChoice: (choice) => choices.push(choice),
  };
  expect(await useBackend('auto', options)).toBe('wasm');
  expect(tf.getBackend()).toBe('wasm');
  const y = tf.square(tf.tensor1d([1, 2, 3]));
  expect([...(await y.data())]).toEqual([1, 4, 9]);
  y.dispose();
  expect(said).toEqual([
    'useBackend: onnxruntime did not start (libonnxruntime.so: invalid ELF header); computing on wasm instead',
  ]);
  expect(choices[0]!.passedOver.filter(({ failed }) => failed)).not.toEqual([]);
  await useBackend('auto', options);
  expect(said).toHaveLength(1);
});

test('asked for by name it is refused, and what computed goes on', async () => {
  await expect(useBackend('onnxruntime')).rejects.toThrow(
    /^useBackend: the backend onnxruntime is not available here \(libonnxruntime.so: invalid ELF header\); npm install onnxruntime-node, or choose 'auto'$/,
  );
  expect(tf.getBackend()).toBe('wasm');
});

test('it is taken once it starts', async () => {
  engine.broken = false;
  const choices: BackendChoice[] = [];
  expect(await useBackend('auto', { onChoice: (choice) => choices.push(choice) })).toBe(
    'onnxruntime',
  );
  expect(choices[0]!.why).toMatch(/native ONNX Runtime/);
});

test('what is asked wrongly is refused, not worked around', async () => {
  await expect(useBackend('auto', { threads: 0 })).rejects.toThrow(
    /^onnxruntime: threads must be an integer of at least 1, got 0$/,
  );
  const executionProvider = 'abacus' as 'cpu';
  await expect(useBackend('auto', { executionProvider })).rejects.toThrow(
    /^onnxruntime: executionProvider (must be one of|cannot change)/,
  );
});

test('a backend for browsers says so in Node', async () => {
  await expect(useBackend('webgl')).rejects.toThrow(/WebGL is for browsers/);
  await expect(useBackend('webgpu')).rejects.toThrow(/there is no WebGPU/);
});
