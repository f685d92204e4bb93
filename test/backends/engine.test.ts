import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { registerOnnxRuntime } from '../../src/backends/onnxruntime/index.js';
import { OnnxRuntimeBackend } from '../../src/backends/onnxruntime/backend.js';
import { Value, beginSegment, emit, scalar } from '../../src/backends/onnxruntime/graph.js';
import {
  broadcastShape,
  transpose,
  transposedView,
} from '../../src/backends/onnxruntime/layout.js';
import { plan } from '../../src/backends/onnxruntime/plan.js';
import { printProgram } from '../../src/backends/onnxruntime/program.js';
import { PromiseCache } from '../../src/backends/onnxruntime/cache.js';
import { useBackend } from '../../src/backends/select.js';
import { AdamW } from '../../src/training/optimizer.js';
import { expectClose, take } from '../backends.js';

let backend: OnnxRuntimeBackend;

beforeAll(async () => {
  await useBackend('onnxruntime');
  backend = registerOnnxRuntime();
});

describe('lazy evaluation', () => {
  let before = { tensors: 0, ids: 0 };
  beforeEach(() => {
    before = { tensors: tf.memory().numTensors, ids: backend.numDataIds() };
  });
  const expectNothingLeft = () => {
    expect(tf.memory().numTensors).toBe(before.tensors);
    expect(backend.numDataIds()).toBe(before.ids);
    expect(backend.pendingCount).toBe(0);
  };

  test('computes nothing before a value is read, then all that is alive at once', async () => {
    const x = tf.tensor([1, 2, 3]);
    const runs = backend.executor.stats.runs;
    const [y, z] = [tf.square(x), tf.tidy(() => tf.exp(tf.neg(x)))];
    expect(backend.executor.stats.runs).toBe(runs);
    expect(Array.from(await y.data())).toEqual([1, 4, 9]);
    expect(backend.executor.stats.runs).toBe(runs + 1);
    expectClose(
      await z.data(),
      [1, 2, 3].map((v) => Math.exp(-v)),
    );
    expect(backend.executor.stats.runs).toBe(runs + 1);
    tf.dispose([x, y, z]);
    expectNothingLeft();
  });

  test('compiles a structure once, whatever the values', async () => {
    const step = async (rate: number) => {
      const y = tf.tidy(() =>
        tf.sum(tf.mul(tf.add(tf.fill([300], rate), tf.range(0, 300)), tf.scalar(rate))),
      );
      const [value] = await y.data();
      y.dispose();
      return value!;
    };
    await step(0.1);
    const { compilations } = backend.executor.stats;
    expectClose([await step(0.2)], [0.2 * (300 * 0.2 + (299 * 300) / 2)]);
    expectClose([await step(3)], [3 * (300 * 3 + (299 * 300) / 2)]);
    expect(backend.executor.stats.compilations).toBe(compilations);
    expectNothingLeft();
  });

  test('what was disposed of before the read is neither fetched nor missed', async () => {
    const x = tf.tensor([1, 2, 3]);
    const y = tf.square(x);
    const z = tf.add(y, 1);
    x.dispose();
    y.dispose();
    expect(Array.from(await z.data())).toEqual([2, 5, 10]);
    z.dispose();
    expectNothingLeft();
  });

  test('two overlapping reads, with recording and disposal in between, are safe', async () => {
    const x = tf.tensor([1, 2, 3]);
    const y = tf.square(x);
    const first = y.data();
    const z = tf.add(y, x);
    const second = z.data();
    const dropped = tf.mul(z, 2);
    dropped.dispose();
    x.dispose();
    expect(Array.from(await second)).toEqual([2, 6, 12]);
    expect(Array.from(await first)).toEqual([1, 4, 9]);
    tf.dispose([y, z]);
    expectNothingLeft();
  });

  test('a tensor may be disposed of while it is read', async () => {
    const x = tf.tensor([1, 2, 3]);
    const y = tf.square(x);
    const reading = y.data();
    tf.dispose([x, y]);
    expect(Array.from(await reading)).toEqual([1, 4, 9]);
    expectNothingLeft();
  });

  test('dataSync reads what is there, and computes what is not', async () => {
    const x = tf.tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(Array.from(x.dataSync())).toEqual([1, 2, 3, 4]);
    const y = tf.sum(x, 1);
    expect(Array.from(y.dataSync())).toEqual([3, 7]);
    expect(y.arraySync()).toEqual([3, 7]);
    tf.dispose([x, y]);
    expectNothingLeft();
  });

  test('dataSync during a read does what is left of it, and compiles nothing again', async () => {
    const x = tf.square(tf.scalar(3));
    const y = tf.exp(tf.neg(x));
    const reading = x.data();
    await Promise.resolve();
    const z = tf.add(y, 1);
    expectClose(z.dataSync(), [1 + Math.exp(-9)]);
    expect(Array.from(await reading)).toEqual([9]);
    expectClose(await y.data(), [Math.exp(-9)]);
    const { compilations } = backend.executor.stats;
    const again = tf.tidy(() => tf.add(y, 1));
    expectClose(again.dataSync(), [1 + Math.exp(-9)]);
    expect(backend.executor.stats.compilations).toBe(compilations);
    tf.dispose([x, y, z, again]);
    before.tensors += 2; // the scalars
    before.ids += 2;
    expectNothingLeft();
  });

  test('a failure names itself, stays with what depends on it and spares the rest', async () => {
    const table = tf.tensor([
      [1, 2],
      [3, 4],
    ]);
    const bad = tf.gather(table, tf.neg(tf.tensor1d([-7], 'int32')));
    const worse = tf.add(bad, 1);
    await expect(bad.data()).rejects.toThrow('onnxruntime: a graph could not be computed');
    const fine = tf.add(table, 1);
    expect(Array.from(await fine.data())).toEqual([2, 3, 4, 5]);
    await expect(worse.data()).rejects.toThrow('onnxruntime: a graph could not be computed');
    const late = tf.mul(worse, fine);
    await expect(late.data()).rejects.toThrow('could not be computed');
    expect(Array.from(await fine.data())).toEqual([2, 3, 4, 5]);
    tf.dispose([table, bad, worse, fine, late]);
  });

  describe.each(['data', 'dataSync'] as const)('a failure within a computation, by %s', (read) => {
    const valuesOf = async (tensor: tf.Tensor) => Array.from(await tensor[read]());
    const out = () => tf.neg(tf.tensor1d([-7], 'int32')); // of range, which only its value tells
    const failures: Record<string, () => tf.Tensor> = {
      'of an operator': () => tf.gather(tf.tensor1d([1, 2]), out()),
      'of work on the host': () => tf.scatterND(tf.reshape(out(), [1, 1]), tf.tensor1d([1]), [2]),
      'of what cannot be compiled': () => {
        const values = [tf.tensor1d([1]), tf.tensor1d([1], 'int32')].map((x) => backend.lookUp(x));
        return tf
          .engine()
          .makeTensorFromTensorInfo(
            backend.toTensorInfo(
              emit('Concat', values, { shape: [2], dtype: 'float32' }, { axis: 0 }),
            ),
          );
      },
    };

    test.each(Object.keys(failures))(
      '%s spares a training step that is recorded with it',
      async (name) => {
        const weight = tf.variable(tf.tensor1d([1, 2]));
        const optimizer = new AdamW({ learningRate: 0.5, weightDecay: 0 });
        const early = tf.tidy(failures[name]!);
        const loss = tf.tidy(() => {
          const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(weight)));
          optimizer.applyGradients(grads);
          return value;
        });
        const [late, sum] = [tf.tidy(failures[name]!), tf.tidy(() => tf.add(weight, early))];
        const after = tf.tidy(() =>
          tf.exp(tf.unsortedSegmentSum(weight, tf.tensor1d([0, 0], 'int32'), 1)),
        );
        expect(await valuesOf(loss)).toEqual([5]);
        expectClose(await valuesOf(weight), [0.5, 1.5]);
        expectClose(await valuesOf(after), [Math.exp(2)]);
        for (const broken of [early, late, sum])
          await expect(valuesOf(broken)).rejects.toThrow(
            'onnxruntime: a graph could not be computed',
          );
        expect(backend.pendingCount).toBe(0);

        const next = tf.tidy(() => tf.sum(weight));
        expectClose(await valuesOf(next), [2]);
        optimizer.dispose();
        tf.dispose([weight, loss, early, late, sum, after, next]);
      },
    );

    test('spares what is recorded before and behind a barrier', async () => {
      const x = tf.tensor1d([1, 2]);
      const first = tf.tidy(() => tf.add(x, 1));
      beginSegment();
      const [bad, second] = [tf.tidy(failures['of an operator']!), tf.tidy(() => tf.mul(first, x))];
      beginSegment();
      const [worse, third] = [
        tf.tidy(() => tf.add(bad, second)),
        tf.tidy(() => tf.sub(second, first)),
      ];
      await expect(valuesOf(worse)).rejects.toThrow('out of data bounds');
      expect(await valuesOf(third)).toEqual([0, 3]);
      expect(await valuesOf(second)).toEqual([2, 6]);
      await expect(valuesOf(bad)).rejects.toThrow('out of data bounds');
      tf.dispose([x, first, bad, second, worse, third]);
    });
  });

  test.each([
    ['memory', "while running Neg node. Name:'v0' Status Message: Failed to allocate memory"],
    ['an unknown node', "while running Neg node. Name:'v9_nchwc' Status Message: no"],
  ])('where %s is at fault, all fails, and nothing is tried again', async (_, message) => {
    let runs = 0;
    const run = () => {
      runs++;
      return Promise.reject(new Error(message));
    };
    const compile = () => Promise.resolve({ run, release: () => Promise.resolve() });
    const broken = new OnnxRuntimeBackend({
      executionProvider: undefined,
      configure: () => undefined,
      load: () => Promise.resolve({ name: 'broken', compile, open: compile }),
      loadSync: () => undefined,
    });
    const infos = [1, 2].map((n) => {
      const value = Value.of(Float32Array.of(n), [1], 'float32');
      return broken.toTensorInfo(emit('Neg', [value], value));
    });
    for (const { dataId } of infos)
      await expect(broken.read(dataId)).rejects.toThrow(`could not be computed: ${message}`);
    expect(runs).toBe(1);
  });

  test('a kernel that is missing says so, and what to do', () => {
    const x = tf.scalar(1);
    expect(() => tf.engine().runKernel('MatrixBandPart', { x })).toThrow(
      /onnxruntime: the kernel MatrixBandPart is not implemented.*useBackend\('cpu'\)/,
    );
    x.dispose();
  });

  test('tensors move between backends', async () => {
    const x = tf.tensor([1, 2, 3]);
    const y = tf.square(x);
    await useBackend('cpu');
    const z = tf.add(y, 1);
    expect(Array.from(await z.data())).toEqual([2, 5, 10]);
    await useBackend('onnxruntime');
    const w = tf.add(z, x);
    expect(Array.from(await w.data())).toEqual([3, 7, 13]);
    tf.dispose([x, y, z, w]);
  });

  test.each(['cpu', 'wasm'] as const)(
    'tensors of %s that share their data move in their own shapes and types',
    async (other) => {
      await useBackend(other);
      const [x, n] = [tf.tensor([1, 2, 3, 4]), tf.tensor1d([5, 6], 'int32')];
      const b = tf.tensor1d([true, false], 'bool');
      const views = [
        tf.reshape(x, [2, 2]),
        tf.expandDims(n, 0),
        tf.squeeze(tf.reshape(x, [1, 4, 1])),
        tf.cast(n, 'float32'),
        tf.cast(tf.reshape(n, [2, 1]), 'float32'),
        tf.cast(b, 'int32'),
        tf.cast(b, 'float32'),
      ];
      const compute = () =>
        [...views, x, n].map((view) => tf.add(view, tf.cast(2, view.dtype))).map(take);
      const sums = await Promise.all(compute());
      await useBackend('onnxruntime');
      expect(await Promise.all(compute())).toEqual(sums);
      expect(sums.slice(0, 4)).toEqual([
        [3, 4, 5, 6],
        [7, 8],
        [3, 4, 5, 6],
        [7, 8],
      ]);
      tf.dispose([...views, x, n, b]);
    },
  );

  test('a thousand training steps leave no tensor, value, buffer or program behind', async () => {
    const w = tf.variable(tf.tensor([[0.5], [-0.25]]));
    const optimizer = tf.train.adam(0.01);
    const x = tf.tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const step = async () => {
      const loss = optimizer.minimize(
        () => tf.mean(tf.square(tf.matMul(x, w as tf.Tensor2D))) as tf.Scalar,
        true,
        [w],
      )!;
      const [value] = await loss.data();
      loss.dispose();
      return value!;
    };
    const first = await step();
    await step();
    const counts = () => ({
      tensors: tf.memory().numTensors,
      values: backend.numDataIds(),
      buffers: backend.bufferCount,
      pending: backend.pendingCount,
      programs: backend.executor.executableCount,
    });
    const before = counts();
    expect(before.pending).toBe(0);
    let last = first;
    for (let i = 0; i < 1000; i++) last = await step();
    expect(counts()).toEqual(before);
    expect(last).toBeLessThan(first / 100);
    optimizer.dispose();
    tf.dispose([w, x]);
  });

  test('an update in place shows only in the variable', async () => {
    const start = Float32Array.of(1, 2, 3);
    const attributes = { keep: 1, stepSize: 0.5, correction: 1, beta1: 0, beta2: 0, epsilon: 0 };
    let [w, m, v] = [tf.tensor(start), tf.zeros([3]), tf.zeros([3])];
    const update = () => {
      const inputs = { variable: w, gradient: tf.ones([3]), expAvg: m, expAvgSq: v };
      const next = tf.engine().runKernel('AdamW', inputs as never, attributes) as tf.Tensor[];
      tf.dispose([w, m, v, inputs.gradient]);
      [w, m, v] = next as [tf.Tensor, tf.Tensor, tf.Tensor];
    };
    const values = async (x: tf.Tensor) => Array.from(await x.data());
    update();
    expect(await values(w)).toEqual([0.5, 1.5, 2.5]);
    expect(Array.from(start)).toEqual([1, 2, 3]); // the caller's own bytes
    const read = await w.data();
    const clone = tf.clone(w);
    update();
    expect(await values(w)).toEqual([0, 1, 2]);
    expect(Array.from(read)).toEqual([0.5, 1.5, 2.5]); // bytes that were read
    expect(await values(clone)).toEqual([0.5, 1.5, 2.5]); // another tensor of the same data
    clone.dispose();
    update();
    const between = tf.clone(w); // of a value that is computed and updated in one go
    update();
    expect(await values(between)).toEqual([-0.5, 0.5, 1.5]);
    expect(await values(w)).toEqual([-1, 0, 1]);
    between.dispose();
    const beside = tf.add(w, 10);
    const view = tf.reshape(w, [3, 1]);
    update();
    const late = tf.sub(w, beside);
    expect(await values(w)).toEqual([-1.5, -0.5, 0.5]);
    expect(await values(beside)).toEqual([9, 10, 11]);
    expect(await values(view)).toEqual([-1, 0, 1]);
    expect(await values(late)).toEqual([-10.5, -10.5, -10.5]);
    tf.dispose([w, m, v, beside, view, late]);
  });

  test('repeated ids add up right, every time', async () => {
    const ids = Int32Array.from({ length: 512 }, (_, i) => (i * 7) % 11);
    const expected = new Float32Array(30 * 16);
    ids.forEach((id) => {
      for (let j = 0; j < 16; j++) expected[id * 16 + j]! += 1;
    });
    for (let run = 0; run < 20; run++) {
      const sums = tf.tidy(() =>
        tf.unsortedSegmentSum(tf.ones([512, 16]), tf.tensor1d(ids, 'int32'), 30),
      );
      expectClose(await sums.data(), expected);
      sums.dispose();
    }
  });
});

describe('programs', () => {
  const x = () => Value.of(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], 'float32');
  const double = (value: Value) => emit('Mul', [value, scalar(2)], value);

  test('print as text', () => {
    const [step] = plan([double(x())]);
    expect(step!.kind === 'program' && printProgram(step!.program)).toBe(
      'input  i0: float32[2, 3]\nconst  c0: float32[] = 2\nv0: float32[2, 3] = Mul(i0, c0)\nreturn v0',
    );
  });

  test('have equal fingerprints exactly when they are equal', () => {
    const key = (value: Value) => {
      const [step] = plan([value]);
      return step!.kind === 'program' ? step!.fingerprint : '';
    };
    expect(key(double(x()))).toBe(key(double(x())));
    expect(key(emit('Mul', [x(), scalar(-0)], x()))).not.toBe(
      key(emit('Mul', [x(), scalar(0)], x())),
    );
    expect(key(transpose(x(), [1, 0]))).not.toBe(key(double(x())));
  });

  test('shapes broadcast as those of TensorFlow.js do, and are refused where they do not', () => {
    const shape = fc.array(fc.constantFrom<number[]>(0, 1, 1, 2, 3), { maxLength: 4 });
    fc.assert(
      fc.property(shape, shape, shape, (a, b, c) => {
        const { assertAndGetBroadcastShape } = tf.backend_util;
        let expected: number[];
        try {
          expected = assertAndGetBroadcastShape(assertAndGetBroadcastShape(a, b), c);
        } catch {
          expect(() => broadcastShape([a, b, c])).toThrow('shapes must broadcast');
          return;
        }
        expect(broadcastShape([a, b, c])).toEqual(expected);
      }),
    );
    expect(broadcastShape([])).toEqual([]);
  });

  test('transposes that cancel vanish, and are composed otherwise', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        (p, q) => {
          const value = new Value([2, 3, 4, 5], 'float32');
          const twice = transpose(transpose(value, p), q);
          expect(twice.shape).toEqual(q.map((axis) => value.shape[p[axis]!]));
          const composed = q.map((axis) => p[axis]!);
          const isIdentity = composed.every((axis, i) => axis === i);
          expect(isIdentity ? twice : transposedView(twice)?.base).toBe(value);
        },
      ),
    );
  });
});

describe('PromiseCache', () => {
  test('is bounded, releases what was used least recently and forgets failures', async () => {
    const released: string[] = [];
    const cache = new PromiseCache<string>(2, async (value) => void released.push(value));
    const get = (key: string) => cache.get(key, async () => key);
    await get('a');
    await get('b');
    await get('a');
    await get('c');
    await new Promise(setImmediate);
    expect(released).toEqual(['b']);
    await expect(cache.get('bad', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await new Promise(setImmediate);
    expect(await cache.get('bad', async () => 'good')).toBe('good');
    await cache.clear();
    expect(cache.size).toBe(0);
  });
});

describe('useBackend', () => {
  afterAll(() => useBackend('cpu'));

  test('picks the best that is present, and says which', async () => {
    expect(await useBackend('auto')).toBe('onnxruntime');
    expect(tf.getBackend()).toBe('onnxruntime');
  });

  test('a backend that cannot be here says why', async () => {
    await expect(useBackend('webgpu')).rejects.toThrow(
      /^useBackend: the backend webgpu is not available here \(there is no WebGPU/,
    );
  });

  test('threads are refused where they are no number, or come too late', async () => {
    await expect(useBackend('onnxruntime', { threads: 0 })).rejects.toThrow(
      /^onnxruntime: threads must be/,
    );
    await expect(useBackend('onnxruntime', { threads: 7 })).rejects.toThrow(
      /threads cannot change .* got 7/,
    );
  });

  test('an unknown backend lists the known ones', async () => {
    await expect(useBackend('gpu' as 'webgpu')).rejects.toThrow(
      'useBackend: the backend must be one of auto, onnxruntime, tensorflow, webgpu, webgl, wasm, cpu, got gpu',
    );
  });
});
