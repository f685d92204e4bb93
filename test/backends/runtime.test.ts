import { describe, expect, test } from 'vitest';
import type { DType, TypedArray } from '../../src/backends/onnxruntime/graph.js';
import { toOnnx } from '../../src/backends/onnxruntime/onnx.js';
import type { Program } from '../../src/backends/onnxruntime/program.js';
import { loadRuntime } from '../../src/backends/onnxruntime/runtime.node.js';
import type { Feed } from '../../src/backends/onnxruntime/runtime.js';

const size = 16 * 1024 * 1024;

/** y = -x and z = x + x. */
const program: Program = {
  inputs: [{ name: 'x', dtype: 'float32', shape: [size] }],
  constants: [],
  nodes: [nodeOf('Neg', ['x'], 'y'), nodeOf('Add', ['x', 'x'], 'z')],
  outputs: [
    { name: 'y', dtype: 'float32', shape: [size] },
    { name: 'z', dtype: 'float32', shape: [size] },
  ],
};

function nodeOf(op: string, inputs: string[], output: string): Program['nodes'][number] {
  const outputs = [{ name: output, dtype: 'float32' as const, shape: [size] }];
  return { op, domain: '', inputs, attributes: {}, outputs };
}

const feed = (name: string, data: TypedArray, dtype: DType = 'float32'): Feed => ({
  ...{ name, dtype, data, shape: [data.length] },
});

describe('the native runtime', () => {
  test('writes outputs into the arrays that it is given, and copies none', async () => {
    const runtime = await loadRuntime();
    const executable = await runtime.compile(toOnnx(program), ['y', 'z'], { kept: 0, plan: 0 });
    expect(executable.writesInto).toBe(true);
    const x = new Float32Array(size).fill(3);
    const memory = new WebAssembly.Memory({ initial: 1025, maximum: 1025 });
    const into = [
      feed('y', new Float32Array(size)),
      feed('z', new Float32Array(memory.buffer, 16, size)),
    ];
    const before = process.memoryUsage().arrayBuffers;
    const outputs = await executable.run([feed('x', x)], into);
    const grown = process.memoryUsage().arrayBuffers - before;
    expect(outputs[0]).toBe(into[0]!.data);
    expect(outputs[1]).toBe(into[1]!.data);
    expect([outputs[0]![0], outputs[0]![size - 1]]).toEqual([-3, -3]);
    expect([outputs[1]![0], outputs[1]![size - 1]]).toEqual([6, 6]);
    expect(grown).toBeLessThan(size);
    await executable.release();
  });

  test('says what failed', async () => {
    const runtime = await loadRuntime();
    const executable = await runtime.compile(toOnnx(program), ['y', 'z'], { kept: 0, plan: 0 });
    const into = ['y', 'z'].map((name) => feed(name, new Float32Array(size)));
    await expect(executable.run([feed('x', new Float32Array(4))], into)).rejects.toThrow(
      /invalid dimensions/i,
    );
    await executable.release();
  });
});
