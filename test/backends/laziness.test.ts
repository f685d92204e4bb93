import { afterAll, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { stats } from '../../src/onnxruntime.js';
import { useBackend } from '../../src/backends/select.js';
import { AdamW } from '../../src/training/optimizer.js';
import { expectClose } from '../backends.js';

// Random programs of a user who records, disposes, keeps, reads and reads again in any order: what the lazy backend
// answers must be what `cpu`, which computes at once, answers.

const shapes: readonly number[][] = [
  [],
  [1],
  [3],
  [2, 3],
  [2, 1],
  [1, 3],
  [3, 3],
  [0],
  [2, 0, 3],
  [0, 3],
  [2, 1, 2, 1, 3, 2],
  [1, 2, 2, 2, 1, 1],
];

const ordinary = [0.5, -1.25, 0.75, 1, -0.5, 1.5, 0.25, -1, 0];
const special = [NaN, Infinity, -Infinity, 0.5, -1, 0];

function made(a: number, b: number, values: readonly number[]): tf.Tensor {
  const shape = shapes[a % shapes.length]!;
  const size = shape.reduce((product, length) => product * length, 1);
  const data = Array.from({ length: size }, (_, i) => values[(b + 5 * i) % values.length]!);
  return tf.tensor(data, shape, 'float32');
}

const isMatrix = (x: tf.Tensor): x is tf.Tensor2D => x.rank === 2;
const half = (x: tf.Tensor) => tf.mul(x, 0.5);

function fits(x: tf.Tensor, y: tf.Tensor): boolean {
  const rank = Math.min(x.rank, y.rank);
  return Array.from({ length: rank }, (_, i) => [x.shape.at(-1 - i)!, y.shape.at(-1 - i)!]).every(
    ([m, n]) => m === n || m === 1 || n === 1,
  );
}

/** Operations that keep numbers below 2 in magnitude there; undefined where the shapes do not allow them. */
type Operation = (x: tf.Tensor, y: tf.Tensor, n: number) => tf.Tensor | undefined;

const binary =
  (f: (x: tf.Tensor, y: tf.Tensor) => tf.Tensor): Operation =>
  (x, y) =>
    fits(x, y) ? f(x, y) : undefined;

const operations: Record<string, Operation> = {
  add: binary((x, y) => half(tf.add(x, y))),
  sub: binary((x, y) => half(tf.sub(x, y))),
  mul: binary((x, y) => half(tf.mul(x, y))),
  maximum: binary((x, y) => tf.maximum(x, y)),
  minimum: binary((x, y) => tf.minimum(x, y)),
  // `cpu` does not repeat a length of 1 no times at all.
  where: (x, y) =>
    fits(x, y) && x.size * y.size > 0 ? tf.where(tf.greater(x, y), x, y) : undefined,
  neg: (x) => tf.neg(x),
  abs: (x) => tf.abs(x),
  relu: (x) => tf.relu(x),
  tanh: (x) => tf.tanh(x),
  sigmoid: (x) => tf.sigmoid(x),
  square: (x) => half(tf.square(x)),
  mean: (x, _, n) => tf.mean(x, x.rank === 0 ? [] : [n % x.rank], n % 2 === 0),
  sum: (x) => tf.div(tf.sum(x), Math.max(1, x.size)),
  greatest: (x, _, n) =>
    x.rank === 0 || x.shape[n % x.rank] === 0 ? undefined : tf.max(x, n % x.rank),
  exp: (x) => half(tf.exp(tf.neg(tf.square(x)))),
  flatten: (x) => tf.reshape(x, [-1]),
  raise: (x) => (x.rank < 6 ? tf.expandDims(x, 0) : undefined),
  turn: (x) => tf.transpose(x),
  slice: (x, _, n) =>
    x.rank === 0 || x.shape[0]! < 2 ? undefined : tf.slice(x, [1 + (n % (x.shape[0]! - 1))]),
  double: (x, _, n) => (x.rank === 0 ? undefined : tf.concat([x, x], n % x.rank)),
  pad: (x, _, n) =>
    x.rank === 0 || x.rank > 4 ? undefined : tf.pad(x, x.shape.map(() => [n % 2, 1]) as never),
  // TensorFlow.js has gradients of tile up to rank 4.
  tile: (x, _, n) =>
    x.rank === 0 || x.rank > 4
      ? undefined
      : tf.tile(
          x,
          x.shape.map((_, axis) => (axis === n % x.rank ? 2 : 1)),
        ),
  // Computed on the host, between programs.
  segments: (x, _, n) => {
    if (x.rank === 0) return undefined;
    const ids = Array.from({ length: x.shape[0]! }, (_, i) => (i * n) % 2);
    return half(tf.unsortedSegmentSum(x, tf.tensor1d(ids, 'int32'), 2));
  },
  softmax: (x) => (x.rank === 0 || x.size === 0 ? undefined : tf.softmax(x)),
  matMul: (x, y) =>
    isMatrix(x) && isMatrix(y) && x.shape[1] === y.shape[0]
      ? tf.mul(tf.matMul(x, y), 1 / Math.max(1, 2 * x.shape[1]))
      : undefined,
};

type Compute = readonly ['compute', name: string, a: number, b: number, n: number];
type Command =
  | Compute
  | readonly ['make' | 'special', a: number, b: number]
  | readonly ['dispose' | 'clone' | 'read' | 'readTwice' | 'sync' | 'variable' | 'fail', a: number]
  | readonly ['assign' | 'train', a: number, b: number]
  | readonly ['microtask' | 'turn' | 'await']
  | readonly ['tidy', body: readonly Compute[], kept: number]
  | readonly ['gradient', body: readonly Compute[], a: number];

const place = fc.nat(30);

type Kind = Extract<Command, readonly [string, number]>[0];

/** Commands that make tensors of some kinds and compute with some operations. */
function command(
  makers: readonly ('make' | 'special')[],
  names: readonly string[],
  others: readonly Kind[] = [],
): fc.Arbitrary<Command> {
  const compute: fc.Arbitrary<Compute> = fc.tuple(
    fc.constant('compute' as const),
    fc.constantFrom(...names),
    place,
    place,
    fc.nat(5),
  );
  const body = fc.array(compute, { minLength: 1, maxLength: 6 });
  const on = fc.constantFrom<Kind[]>(
    ...(['dispose', 'clone', 'read', 'readTwice', 'sync', 'variable', ...others] as Kind[]),
  );
  return fc.oneof(
    { weight: 8, arbitrary: compute },
    { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...makers), place, place) },
    { weight: 5, arbitrary: fc.tuple(on, place) },
    { weight: 5, arbitrary: fc.tuple(fc.constantFrom('assign', 'train', 'train'), place, place) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom('microtask', 'microtask', 'turn', 'await')) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('tidy'), body, place) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('gradient'), body, place) },
  ) as fc.Arbitrary<Command>;
}

/** Carries commands out, and writes down what every read answered, in the order in which it was asked. */
class Machine {
  readonly answers: Promise<ArrayLike<number>>[] = [];
  readonly #live: tf.Tensor[] = [];
  readonly #variables: tf.Variable[] = [];
  // So large an epsilon that what rounding makes of a gradient of zero changes nothing.
  readonly #optimizer = new AdamW({ learningRate: 0.1, epsilon: 0.1 });
  /** What the lazy backend cannot compute, and finds out late. */
  readonly #broken: tf.Tensor[] = [];

  async run(commands: readonly Command[]): Promise<number[][]> {
    for (let i = 0; i < 3; i++) {
      this.#live.push(made(3, i, ordinary));
      this.#variables.push(tf.variable(this.#live[i]!));
    }
    for (const command of commands) {
      const waiting = this.#step(command);
      if (waiting !== undefined) await waiting;
    }
    for (const tensor of [...this.#live, ...this.#variables]) this.answers.push(tensor.data());
    const answers = await Promise.all(this.answers);
    for (const tensor of this.#broken)
      await expect(tensor.data()).rejects.toThrow('could not be computed');
    this.#optimizer.dispose();
    tf.dispose([this.#live, this.#variables, this.#broken]);
    return answers.map((values) => Array.from(values));
  }

  #step(command: Command): Promise<unknown> | undefined {
    switch (command[0]) {
      case 'compute':
        return this.#push(apply([...this.#live, ...this.#variables], command));
      case 'make':
        return this.#push(made(command[1], command[2], ordinary));
      case 'special':
        return this.#push(made(command[1], command[2], special));
      case 'clone':
        return this.#push(tf.clone(this.#at(command[1])));
      case 'dispose':
        return this.#dispose(command[1]);
      case 'read':
        return this.#note(this.#at(command[1]).data());
      case 'readTwice':
        return this.#note(this.#at(command[1]).data(), this.#at(command[1]).data());
      case 'sync':
        return this.#note(Promise.resolve(this.#at(command[1]).dataSync()));
      case 'variable':
        return void this.#variables.push(tf.variable(this.#at(command[1])));
      case 'assign':
        return this.#change(command[1], command[2], (variable, value) => variable.assign(value));
      case 'train':
        return this.#change(command[1], command[2], ({ name }, tensor) =>
          this.#optimizer.applyGradients([{ name, tensor }]),
        );
      case 'fail':
        return this.#fail(this.#at(command[1]));
      case 'microtask':
        return Promise.resolve();
      case 'turn':
        return new Promise(setImmediate);
      case 'await':
        return Promise.all(this.answers);
      case 'tidy':
        return this.#push(this.#tidy(command[1], command[2]));
      case 'gradient':
        return this.#push(this.#gradient(command[1], this.#at(command[2])));
    }
  }

  #note(...answers: Promise<ArrayLike<number>>[]): undefined {
    this.answers.push(...answers);
  }

  /** Beside what is pending, of what is pending; the eager backend would throw here. */
  #fail(x: tf.Tensor): undefined {
    if (tf.getBackend() === 'cpu' || x.size === 0) return;
    const after = tf.tidy(() => {
      const place = tf.neg(tf.tensor1d([-x.size - 1], 'int32'));
      const outside = tf.gather(tf.reshape(x, [-1]), place);
      const onHost = tf.scatterND(tf.reshape(place, [1, 1]), outside, [1]);
      return [tf.exp(outside), tf.mul(x, onHost)];
    });
    this.#broken.push(...after);
  }

  #dispose(place: number): undefined {
    const { length } = this.#live;
    if (length > 1) this.#live.splice(place % length, 1)[0]!.dispose();
  }

  #at(place: number): tf.Tensor {
    const all = [...this.#live, ...this.#variables];
    return all[place % all.length]!;
  }

  #push(tensor: tf.Tensor | undefined): undefined {
    if (tensor !== undefined) this.#live.push(tensor);
  }

  /** The last value of the body; one of the others is kept. */
  #tidy(body: readonly Compute[], kept: number): tf.Tensor | undefined {
    return tf.tidy(() => {
      const values: tf.Tensor[] = [];
      for (const compute of body) {
        const value = apply([...this.#live, ...values], compute);
        if (value !== undefined) values.push(value);
      }
      const last = values.pop();
      if (values.length > 0) this.#live.push(tf.keep(values[kept % values.length]!));
      return last;
    });
  }

  /** Of the mean of the body's last value; what it reads beside `at` is alive or made in the body. */
  #gradient(body: readonly Compute[], at: tf.Tensor): tf.Tensor {
    const others = [...this.#live];
    return tf.grad((x) => {
      const values = [x];
      for (const [, name, a, b, n] of body) {
        const first = values[a % values.length]!;
        const pool = b % 2 === 0 ? others : values;
        const second = pool[b % pool.length]!;
        if (!hasGradient(name, first, second)) continue;
        const value = operations[name]!(first, second, n);
        if (value !== undefined) values.push(value);
      }
      return operations['sum']!(values.at(-1)!, x, 0)!;
    })(at);
  }

  /** Changes a variable by a tensor of its shape, the first from this place on. */
  #change(
    place: number,
    from: number,
    change: (variable: tf.Variable, value: tf.Tensor) => void,
  ): undefined {
    const variable = this.#variables[place % this.#variables.length]!;
    const { length } = this.#live;
    const order = this.#live.map((_, i) => this.#live[(i + from) % length]!);
    const value = order.find(({ shape }) => tf.util.arraysEqual(shape, variable.shape));
    if (value !== undefined) change(variable, value);
  }
}

/** Operations with a kink, beside which a rounding may decide the gradient. */
const kinked = ['abs', 'relu', 'where', 'maximum', 'minimum', 'greatest'];

/** TensorFlow.js has no right gradient where a length of 1 is broadcast to 0. */
function hasGradient(name: string, x: tf.Tensor, y: tf.Tensor): boolean {
  return !kinked.includes(name) && (x.size === 0) === (y.size === 0);
}

function apply(live: readonly tf.Tensor[], [, name, a, b, n]: Compute): tf.Tensor | undefined {
  return tf.tidy(() => operations[name]!(live[a % live.length]!, live[b % live.length]!, n));
}

async function agree(commands: readonly Command[]): Promise<void> {
  await useBackend('cpu');
  const expected = await new Machine().run(commands);
  await useBackend('onnxruntime');
  const before = held();
  const actual = await new Machine().run(commands);
  expect(held(), 'what is left behind').toEqual(before);
  expect(actual.length).toBe(expected.length);
  actual.forEach((answer, i) =>
    expectClose(answer, expected[i]!, { relative: 1e-5, absolute: 1e-5 }),
  );
}

function held(): object {
  const { values, buffers, pending } = stats();
  return { tensors: tf.memory().numTensors, values, buffers, pending };
}

afterAll(() => useBackend('cpu'));

const names = Object.keys(operations);

test('lazily compiled equals eagerly computed, whatever is read, kept and disposed of', async () => {
  const commands = fc.array(command(['make'], names), { minLength: 10, maxLength: 60 });
  await fc.assert(fc.asyncProperty(commands, agree), { numRuns: 150, seed: 11 });
});

test('so it is beside what fails', async () => {
  // A value that was held when the computation began is let go of before it fails, and read by what came in between.
  const make: Command = ['make', 0, 0];
  const dispose: Command = ['dispose', 0];
  const train: Command = ['train', 0, 0];
  const add: Compute = ['compute', 'add', 0, 0, 0];
  const before: Command[] = [['fail', 0], make, add, make, make, dispose];
  const reading: Command[] = [['readTwice', 12], ['microtask']];
  const between: Command[] = [['tidy', [add], 0], make, dispose, make, train, dispose];
  const after: Command[] = [add, add, dispose, train];
  const letGo = [...before, ...reading, ...between, ...after];
  const commands = fc.array(command(['make'], names, ['fail']), { minLength: 10, maxLength: 60 });
  await fc.assert(fc.asyncProperty(commands, agree), {
    numRuns: 100,
    seed: 13,
    examples: [[letGo]],
  });
});

test('so it is with NaN and infinities in the operands', async () => {
  // `cpu` adds segments up by way of a product with 0, which makes NaN of what is not finite.
  const finite = names.filter((name) => name !== 'segments');
  const commands = fc.array(command(['special'], finite), { minLength: 5, maxLength: 25 });
  await fc.assert(fc.asyncProperty(commands, agree), { numRuns: 100, seed: 12 });
});

test.each(['microtasks', 'turns'] as const)(
  'what happens after any number of %s of a read changes nothing of it, and leaves nothing',
  async (unit) => {
    await useBackend('onnxruntime');
    for (let count = 0; count < 12; count++) {
      const before = held();
      const optimizer = new AdamW({ learningRate: 0.5, weightDecay: 0, epsilon: 0 });
      const x = tf.tensor1d([1, 2, 3]);
      const start = tf.neg(x);
      const weight = tf.variable(start);
      const bytes = await weight.data();
      start.dispose();
      const old = tf.clone(weight);
      const squares = tf.square(x);
      optimizer.applyGradients([{ name: weight.name, tensor: squares }]);
      const sums = tf.tidy(() =>
        tf.exp(tf.unsortedSegmentSum(tf.neg(weight), tf.tensor1d([0, 1, 0], 'int32'), 2)),
      );
      const reading = sums.data();
      for (let i = 0; i < count; i++) {
        await (unit === 'turns' ? new Promise(setImmediate) : Promise.resolve());
      }
      const late = tf.tidy(() => tf.add(old, squares));
      tf.dispose([x, squares, old]);
      expectClose(await late.data(), [0, 2, 6]);
      expectClose(await weight.data(), [-1.5, -2.5, -3.5]);
      expectClose(await reading, [Math.exp(5), Math.exp(2.5)]);
      expect(Array.from(bytes)).toEqual([-1, -2, -3]);
      optimizer.dispose();
      tf.dispose([weight, sums, late]);
      expect(held(), `after ${count} ${unit}`).toEqual(before);
    }
  },
);
