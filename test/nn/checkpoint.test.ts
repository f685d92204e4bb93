import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { checkpoint } from '../../src/nn/checkpoint.js';
import { dropout, DropoutSource } from '../../src/nn/dropout.js';
import type { ForwardContext } from '../../src/nn/dropout.js';
import { Linear } from '../../src/nn/linear.js';
import { describeBackends, expectClose, take } from '../backends.js';

/** A part with a random layer: tanh(dropout(x w + b)) * scale. */
function part(layer: Linear, calls: string[] = []) {
  return ([x, scale]: readonly tf.Tensor[], context: ForwardContext): tf.Tensor2D => {
    calls.push(context.recomputing ? 'again' : 'once');
    const dropped = dropout(layer.forward(x as tf.Tensor2D), 0.3, context);
    return tf.mul(tf.tanh(dropped), scale!);
  };
}

const context = (gradientCheckpointing: boolean): ForwardContext => ({
  training: true,
  gradientCheckpointing,
  random: new DropoutSource(1, 2),
});

describeBackends('checkpoint', () => {
  const chain = (layers: readonly Linear[], x: tf.Tensor, scale: tf.Tensor, how: ForwardContext) =>
    layers.reduce<tf.Tensor>((y, layer) => checkpoint(part(layer), [y, scale], [layer], how), x);
  const make = (count: number) => ({
    layers: Array.from({ length: count }, (_, seed) => new Linear(3, 3, { seed })),
    x: tf.tensor2d([0.3, -0.2, 0.7, 0.1, 0.9, -0.4], [2, 3]),
    scale: tf.tensor1d([1, 2, 0.5]),
  });
  const free = ({ layers, x, scale }: ReturnType<typeof make>): void => {
    for (const layer of layers) layer.dispose();
    tf.dispose([x, scale]);
  };

  test('gives the gradients of inputs and parameters', async () => {
    const given = make(3);
    const { layers, x, scale } = given;
    const sources = [x, scale, ...layers.flatMap(({ weight, bias }) => [weight, bias])];
    const gradients = (checkpointing: boolean): tf.Tensor[] => {
      const loss = (): tf.Tensor => tf.sum(chain(layers, x, scale, context(checkpointing)));
      return tf.grads(loss)(sources);
    };
    const expected = await Promise.all(gradients(false).map(take));
    const actual = await Promise.all(gradients(true).map(take));
    actual.forEach((values, i) => expectClose(values, expected[i]!));
    free(given);
  });

  test('keeps nothing but the inputs for the backward pass', async () => {
    const given = make(4);
    const kept = (checkpointing: boolean): number => {
      let count = 0;
      const { value, grads } = tf.variableGrads(() => {
        const before = tf.memory().numTensors;
        const { layers, x, scale } = given;
        const y = tf.tidy(() => chain(layers, x, scale, context(checkpointing)));
        count = tf.memory().numTensors - before;
        return tf.sum(y);
      });
      tf.dispose([value, grads]);
      return count;
    };
    expect(kept(true)).toBe(4 * 2 + 1); // of each part x and scale; and the value
    expect(kept(false)).toBeGreaterThan(kept(true));
    free(given);
  });

  test('computes once where nothing is differentiated or asked for, and else twice', async () => {
    const given = make(1);
    const { layers, x, scale } = given;
    const calls: string[] = [];
    const run = (how: ForwardContext): tf.Tensor =>
      checkpoint(part(layers[0]!, calls), [x, scale], layers, how);
    tf.tidy(() => void run(context(true)));
    expect(calls).toEqual(['once']);
    tf.grad(() => tf.sum(run(context(false))))(layers[0]!.weight).dispose();
    expect(calls).toEqual(['once', 'once']);
    tf.grad(() => tf.sum(run(context(true))))(layers[0]!.weight).dispose();
    expect(calls).toEqual(['once', 'once', 'once', 'again']);
    free(given);
  });

  test('may stand in another one, and leaves frozen parameters alone', async () => {
    const given = make(2);
    const { layers, x, scale } = given;
    layers[0]!.frozen = true;
    const nested = (checkpointing: boolean): tf.NamedTensorMap => {
      const { value, grads } = tf.variableGrads(() =>
        tf.sum(
          checkpoint(
            ([y, factor], inner) => chain(layers, y!, factor!, inner),
            [x, scale],
            layers,
            context(checkpointing),
          ),
        ),
      );
      value.dispose();
      return grads;
    };
    const [actual, expected] = [nested(true), nested(false)];
    expect(Object.keys(actual)).toEqual([layers[1]!.weight.name, layers[1]!.bias.name]);
    for (const name of Object.keys(actual)) {
      expectClose(await take(actual[name]!), await take(expected[name]!));
    }
    free(given);
  });

  test('gives what the value does not depend on a gradient of zeros', async () => {
    const given = make(2);
    const { layers, x } = given;
    const loss = (): tf.Tensor =>
      tf.sum(checkpoint(([y]) => layers[0]!.forward(y as tf.Tensor2D), [x], layers, context(true)));
    const gradient = tf.grad(loss)(layers[1]!.bias);
    expect(await take(gradient)).toEqual([0, 0, 0]);
    free(given);
  });

  test('leaves TensorFlow.js as it was where a part fails the second time', async () => {
    const given = make(1);
    const { layers, x, scale } = given;
    const failing = (inputs: readonly tf.Tensor[], how: ForwardContext): tf.Tensor => {
      if (how.recomputing) throw new Error('out of order');
      return part(layers[0]!)(inputs, how);
    };
    const weight = layers[0]!.weight;
    const attempt = (): tf.Tensor =>
      tf.grad(() => tf.sum(checkpoint(failing, [x, scale], layers, context(true))))(weight);
    expect(attempt).toThrow('out of order');
    const { state } = tf.engine();
    expect(state.gradientDepth).toBe(0);
    // TensorFlow.js frees what a tape saved at its end alone, to which this one did not come.
    tf.dispose(state.activeTape.flatMap(({ saved }) => saved ?? []));
    const gradient = tf.grad(() => tf.sum(chain(layers, x, scale, context(true))))(weight);
    expect((await take(gradient)).every(Number.isFinite)).toBe(true);
    free(given);
  });

  test('has a second derivative', async () => {
    const given = make(2);
    const { layers, x, scale } = given;
    const second = (checkpointing: boolean): tf.Tensor => {
      const squares = (v: tf.Tensor): tf.Tensor =>
        tf.sum(tf.square(chain(layers, v, scale, context(checkpointing))));
      return tf.grad((z) => tf.sum(tf.square(tf.grad(squares)(z))))(x);
    };
    expectClose(await take(second(true)), await take(second(false)));
    free(given);
  });
});
