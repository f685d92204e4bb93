import { beforeAll, describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import type { OnnxRuntimeBackend } from '../../src/backends/onnxruntime/backend.js';
import { Value, beginSegment, emit, emitHost } from '../../src/backends/onnxruntime/graph.js';
import { registerOnnxRuntime } from '../../src/backends/onnxruntime/index.js';
import { plan } from '../../src/backends/onnxruntime/plan.js';
import { printProgram } from '../../src/backends/onnxruntime/program.js';
import { useBackend } from '../../src/backends/select.js';
import type { Mode } from '../../src/fusion/fusion.js';
import { BertResNetModel } from '../../src/model.js';

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
