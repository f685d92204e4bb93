import { beforeAll, describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { OnnxRuntimeBackend } from '../../src/backends/onnxruntime/backend.js';
import { Value, beginSegment, emit, emitHost } from '../../src/backends/onnxruntime/graph.js';
import { registerOnnxRuntime } from '../../src/backends/onnxruntime/index.js';
import { registerKernels } from '../../src/backends/onnxruntime/kernels/index.js';
import { plan } from '../../src/backends/onnxruntime/plan.js';
import { printProgram } from '../../src/backends/onnxruntime/program.js';
import type { ExecutionProvider } from '../../src/backends/onnxruntime/runtime.js';
import { useBackend } from '../../src/backends/select.js';
import type { Mode } from '../../src/fusion/fusion.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { LabelledExample } from '../../src/datasets/exampleDataset.js';
import { BertResNetModel } from '../../src/model.js';
import { Trainer } from '../../src/training/trainer.js';
import { compiledBy, seesPictures } from '../programs.js';
import { labels, tinyModel, tinyRows } from '../training/tiny.js';

const leaf = (): Value => Value.of(Float32Array.of(1, 2, 3), [3], 'float32');
const double = (value: Value): Value => emit('Add', [value, value], value);

describe('segments of a graph', () => {
  test('are programs of their own, in the order of recording', () => {
    const x = leaf();
    const first = double(double(x));
    beginSegment();
    const again = double(double(x));
    const sum = emit('Add', [first, again], first);
    const steps = plan([sum]);
    expect(steps.map((step) => step.kind === 'program' && printProgram(step.program))).toEqual([
      'input  i0: float32[3]\nv0: float32[3] = Add(i0, i0)\nv1: float32[3] = Add(v0, v0)\nreturn v1',
      'input  i0: float32[3]\ninput  i1: float32[3]\nv0: float32[3] = Add(i0, i0)\n' +
        'v1: float32[3] = Add(v0, v0)\nv2: float32[3] = Add(i1, v1)\nreturn v2',
    ]);
  });

  test('come one after another, whatever stands on the host between', () => {
    const onHost = (value: Value): Value => emitHost('Twice', [value], [value], (x) => x)[0]!;
    const [x, y] = [leaf(), leaf()];
    const deep = double(onHost(double(onHost(x))));
    beginSegment();
    const independent = double(y);
    const steps = plan([independent, deep]);
    const order = ['Twice', 'Add', 'Twice', 'Add', 'Add'];
    expect(
      steps.map((step) => (step.kind === 'host' ? step.node.op : step.program.nodes[0]!.op)),
    ).toEqual(order);
    expect(steps.at(-1)).toMatchObject({ fetches: [independent] });
  });

  test('let go of bytes behind their last reader, unless somebody holds them', () => {
    const [x, held] = [leaf(), leaf()];
    held.holders = 1;
    const first = emit('Add', [x, held], x);
    beginSegment();
    const second = double(first);
    beginSegment();
    const third = emit('Add', [first, emit('Add', [second, held], second)], second);
    const names = new Map([
      [x, 'x'],
      [first, 'first'],
      [second, 'second'],
    ]);
    const released = plan([third]).map(({ releases }) => releases.map((value) => names.get(value)));
    expect(released.map((list) => list.toSorted())).toEqual([['x'], [], ['first', 'second']]);
  });
});

describe('gradient checkpointing in ONNX Runtime', () => {
  let backend: OnnxRuntimeBackend;
  beforeAll(async () => {
    await useBackend('onnxruntime');
    backend = registerOnnxRuntime();
  });

  /** What a pass runs and compiles of models of so many layers and blocks. */
  async function pass(layers: number, blocks: number, mode: Mode): Promise<[number, number]> {
    const model = new BertResNetModel({
      text: { ...text, numHiddenLayers: layers },
      image: { ...image, depths: [blocks] },
      hiddenSize: 4,
    });
    const given = {
      text: { inputIds: tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3], 'int32') },
      image: tf.ones<tf.Rank.R4>([2, 9, 9, 3]),
    };
    const { runs, compilations } = backend.executor.stats;
    const { value, grads } = tf.variableGrads(
      () => tf.sum(model.forward(given, { mode, training: true, gradientCheckpointing: true })),
      [...model.trainableParameters().values()],
    );
    await value.data();
    tf.dispose([value, grads, given.text.inputIds, given.image]);
    model.dispose();
    const { stats } = backend.executor;
    return [stats.runs - runs, stats.compilations - compilations];
  }
  const text = {
    vocabSize: 7,
    hiddenSize: 4,
    numAttentionHeads: 2,
    intermediateSize: 6,
    maxPositionEmbeddings: 4,
  };
  const image = { embeddingSize: 2, hiddenSizes: [8] };

  test.each<[Mode, [number, number]]>([
    ['text', [5, 2]],
    ['image', [2, 5]],
  ])(
    '%s: a layer more is two runs more, and compiles nothing new',
    async (mode, [layers, blocks]) => {
      const [runs] = await pass(2, 2, mode);
      expect(await pass(layers, blocks, mode)).toEqual([runs + 6, 0]);
    },
  );
});

describe('a gradient in another program than what it is of', () => {
  test.each(['Barrier', 'ProgramEdge'])('is that of one program: %s', async (kernelName) => {
    await useBackend('onnxruntime');
    // Channels first, as ONNX's operators have them: the forward pool and its gradient read the same.
    const x = tf.randomUniform<tf.Rank.R4>([2, 3, 4, 4], -1, 1, 'float32', 1);
    const gradientOf = (between: () => unknown) =>
      tf.tidy(() =>
        tf.grad((given) => {
          const pictures = tf.transpose(given as tf.Tensor4D, [0, 2, 3, 1]);
          const pooled = tf.square(tf.maxPool(pictures, 2, 2, 'valid'));
          const apart = tf.customGrad((y) => ({
            value: tf.clone(y as tf.Tensor),
            gradFunc: (dy) => {
              between();
              return tf.clone(dy);
            },
          }));
          return tf.sum(tf.mul(pooled, apart(pooled)));
        })(x),
      );
    const [one, several] = [
      gradientOf(() => {}),
      gradientOf(() => tf.engine().runKernel(kernelName, {})),
    ];
    expect(await several.data()).toEqual(await one.data());
    tf.dispose([x, one, several]);
  });
});

describe('a program may end where what passes on stays in main memory', () => {
  const refuse = (): never => {
    throw new Error('nothing is computed here');
  };

  test.each<[ExecutionProvider | undefined, number]>([
    [undefined, 2],
    ['cpu', 2],
    ['wasm', 2],
    ['webgpu', 1],
    ['cuda', 1],
    ['dml', 1],
    ['coreml', 1],
  ])('%s: %i', (executionProvider, programs) => {
    const name = `onnxruntime on ${executionProvider}`;
    const loader = { executionProvider, configure: refuse, load: refuse, loadSync: refuse };
    const backend = new OnnxRuntimeBackend(loader);
    tf.registerBackend(name, () => backend);
    registerKernels(name);
    const before = tf.getBackend();
    void tf.setBackend(name);
    try {
      tf.tidy(() => {
        const once = tf.exp(tf.tensor1d([1, 2, 3]));
        tf.engine().runKernel('ProgramEdge', {});
        const twice = tf.exp(once);
        expect(plan([backend.lookUp(twice)])).toHaveLength(programs);
      });
    } finally {
      void tf.setBackend(before);
      tf.removeBackend(name);
    }
  });
});

describe('texts beside pictures in ONNX Runtime', () => {
  beforeAll(() => useBackend('onnxruntime'));

  const rows = (words: number): LabelledExample[] =>
    tinyRows(4).map((row) => ({
      ...row,
      text: Array.from({ length: words }, () => 'good').join(' '),
    }));
  const rowsOf = (words: number) => datasetFrom(rows(words), { labels });

  test('training on texts of another length compiles nothing of the pictures', async () => {
    const model = await tinyModel();
    const train = (words: number) => () =>
      new Trainer(model, { epochs: 1, batchSize: 4 }).fit(rowsOf(words));
    expect((await compiledBy(train(2))).some(seesPictures)).toBe(true);
    const programs = await compiledBy(train(12));
    expect(programs.length).toBeGreaterThan(0);
    expect(programs.filter(seesPictures)).toEqual([]);
    model.dispose();
  });

  test('nor does predicting them', async () => {
    const model = await tinyModel();
    const predict = (words: number) => () => model.predict(rows(words));
    expect((await compiledBy(predict(2))).filter(seesPictures)).toHaveLength(1);
    const programs = await compiledBy(predict(12));
    expect(programs).toHaveLength(1);
    expect(programs.filter(seesPictures)).toEqual([]);
    model.dispose();
  });
});
