import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { InputError } from '../../src/errors.js';
import {
  constant,
  kaimingNormalFanOut,
  normal,
  normalExceptRow,
} from '../../src/nn/initializers.js';
import { Linear } from '../../src/nn/linear.js';
import { Module } from '../../src/nn/module.js';
import type { Scope } from '../../src/nn/module.js';
import { BatchNorm2d } from '../../src/nn/norm.js';
import { Random } from '../../src/nn/random.js';

class Pair extends Module {
  readonly first: Linear;
  readonly norm: BatchNorm2d;

  constructor(scope: Scope = {}, extra = false) {
    super(scope);
    if (extra) this.child('extra', (inner) => new Linear(5, 5, inner));
    this.first = this.child('deep.first', (inner) => new Linear(2, 3, inner));
    this.norm = this.child('', (inner) => new BatchNorm2d(4, inner));
  }
}

const names = [
  'deep.first.weight',
  'deep.first.bias',
  'weight',
  'bias',
  'running_mean',
  'running_var',
];

beforeAll(async () => {
  await useBackend('cpu');
});

describe('names', () => {
  test('are those of the checkpoint, in order; an empty name adds nothing', () => {
    const pair = new Pair();
    expect(Object.keys(disposed(pair.stateDict()))).toEqual(names);
    expect([...pair.namedParameters().keys()]).toEqual(names.slice(0, 4));
    expect([...pair.namedBuffers().keys()]).toEqual(names.slice(4));
    pair.dispose();
  });

  test('may be the same in models that live side by side', () => {
    const [a, b] = [new Pair(), new Pair()];
    expect(a.first.weight.name).not.toBe(b.first.weight.name);
    a.dispose();
    expect(b.first.weight.isDisposed).toBe(false);
    b.dispose();
  });

  test('are taken once', () => {
    class Twice extends Module {
      constructor() {
        super();
        this.parameter('weight', [1], constant(0));
        this.buffer('weight', [1], 0);
      }
    }
    expect(() => new Twice()).toThrow(/already has 'weight'/);
    tf.disposeVariables();
  });
});

describe('first values', () => {
  test('depend on the seed and the full name alone', async () => {
    const [plain, extended, other] = [new Pair(), new Pair({}, true), new Pair({ seed: 7 })];
    const values = await Promise.all(
      [plain, extended, other].map((pair) => pair.first.weight.data()),
    );
    expect(values[1]).toEqual(values[0]);
    expect(values[2]).not.toEqual(values[0]);
    for (const pair of [plain, extended, other]) pair.dispose();
  });

  test('are zero where weights are loaded next', async () => {
    const pair = new Pair({ initialize: false });
    expect([...(await pair.first.weight.data())]).toEqual([0, 0, 0, 0, 0, 0]);
    pair.dispose();
  });

  test('have the distributions of their definitions', () => {
    const draw = (init: typeof kaimingNormalFanOut, shape: number[]): Float32Array => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      init(values, shape, new Random(1));
      return values;
    };
    const deviation = (values: Float32Array): number =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation(draw(normal(0.02), [100, 100]))).toBeCloseTo(0.02, 3);
    expect(deviation(draw(kaimingNormalFanOut, [32, 16, 3, 3]))).toBeCloseTo(Math.sqrt(2 / 288), 2);
    const linear = new Linear(25, 200);
    const weights = linear.weight.dataSync<'float32'>();
    expect(Math.max(...weights)).toBeLessThan(0.2);
    expect(Math.max(...weights)).toBeGreaterThan(0.19);
    expect(deviation(weights as Float32Array)).toBeCloseTo(0.2 / Math.sqrt(3), 2);
    linear.dispose();
    const padded = draw(normalExceptRow(1, 2), [4, 3]);
    expect([...padded].map((value) => value === 0)).toEqual(
      [6, 7, 8].reduce((zero, i) => zero.with(i, true), Array<boolean>(12).fill(false)),
    );
  });
});

describe('loadStateDict', () => {
  test('lists every missing, unexpected and misshapen name, and assigns nothing', async () => {
    const pair = new Pair();
    const before = await pair.norm.bias.data();
    const state = disposed(pair.stateDict());
    const dict = {
      ...Object.fromEntries(Object.keys(state).map((name) => [name, host([4])])),
      'deep.first.bias': { shape: [3], values: new Float32Array(2) },
      stray: host([1]),
      'other.stray': host([1]),
    };
    delete (dict as Record<string, unknown>)['running_var'];
    const load = (): unknown => pair.loadStateDict(dict);
    expect(load).toThrow(InputError);
    expect(load).toThrow(/missing \(1\): running_var\n/);
    expect(load).toThrow(/unexpected \(2\): stray, other\.stray\n/);
    expect(load).toThrow(/deep\.first\.weight is \[4\], expected \[3, 2\]/);
    expect(load).toThrow(/deep\.first\.bias holds 2 values for its shape \[3\]/);
    expect(await pair.norm.bias.data()).toEqual(before);
    pair.dispose();
  });

  test('strict: false reports names, and still refuses shapes', async () => {
    const pair = new Pair();
    const report = pair.loadStateDict({ bias: host([4], 9), stray: host([1]) }, { strict: false });
    expect(report.unexpected).toEqual(['stray']);
    expect(report.missing).toEqual(names.filter((name) => name !== 'bias'));
    expect([...(await pair.norm.bias.data())]).toEqual([9, 9, 9, 9]);
    expect(() => pair.loadStateDict({ bias: host([5]) }, { strict: false })).toThrow(
      /misshapen \(1\)/,
    );
    pair.dispose();
  });

  test('takes what another model gave, tensors and integers too, and leaves it to the caller', async () => {
    const before = tf.memory().numTensors;
    const [a, b] = [new Pair({ seed: 1 }), new Pair({ seed: 2 })];
    const state: Record<string, tf.Tensor> = a.stateDict();
    state['running_mean']!.dispose();
    state['running_mean'] = tf.tensor([1, 2, 3, 4], [4], 'int32');
    b.loadStateDict(state);
    a.dispose();
    expect(state['bias']!.isDisposed).toBe(false);
    expect(await b.first.weight.data()).toEqual(await state['deep.first.weight']!.data());
    expect([...(await b.norm.runningMean.data())]).toEqual([1, 2, 3, 4]);
    tf.dispose(state);
    b.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('frozen reaches children, and takes parameters out of those that are trained', () => {
  const pair = new Pair();
  expect(pair.trainableParameters().size).toBe(4);
  pair.first.frozen = true;
  expect([...pair.trainableParameters().keys()]).toEqual(['weight', 'bias']);
  expect(pair.first.weight.trainable).toBe(false);
  pair.frozen = true;
  expect(pair.norm.frozen).toBe(true);
  expect(pair.trainableParameters().size).toBe(0);
  pair.frozen = false;
  expect(pair.trainableParameters().size).toBe(4);
  pair.dispose();
  pair.dispose();
});

function disposed(state: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  tf.dispose(state);
  return state;
}

function host(shape: number[], value = 0): { shape: number[]; values: Float32Array } {
  const size = shape.reduce((product, length) => product * length, 1);
  return { shape, values: new Float32Array(size).fill(value) };
}
