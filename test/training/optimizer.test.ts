import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { clipScale, globalNorm } from '../../src/training/clip.js';
import { AdamW } from '../../src/training/optimizer.js';
import { resolveOptions } from '../../src/training/options.js';
import { describeBackends, take } from '../backends.js';
import fixture from '../fixtures/optimizer.json';

const tensorsOf = (values: readonly number[][], shapes: readonly number[][]): tf.Tensor[] =>
  values.map((value, i) => tf.tensor(value, [...shapes[i]!], 'float32'));

function toVariable(value: tf.Tensor): tf.Variable {
  const variable = tf.variable(value);
  value.dispose();
  return variable;
}

/** The largest difference, relative to the oracle's size or 1. */
function expectClose(
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance: number,
): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const gap = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    expect(gap, `element ${i}: ${actual[i]} for ${expected[i]}`).toBeLessThanOrEqual(tolerance);
  }
}

describeBackends('training', () => {
  describe('AdamW equals torch.optim.AdamW', () => {
    for (const oracle of fixture.adamw) {
      it(oracle.name, async () => {
        const variables = tensorsOf(oracle.initial, oracle.shapes).map(toVariable);
        const options = oracle.options as Record<string, number | number[]>;
        const [beta1, beta2] = (options['betas'] as number[] | undefined) ?? [];
        const optimizer = new AdamW({
          learningRate: (options['lr'] as number | undefined) ?? 1e-3,
          weightDecay: options['weight_decay'] as number | undefined,
          epsilon: options['eps'] as number | undefined,
          beta1,
          beta2,
          rates: (name) => oracle.rates?.[variables.findIndex((v) => v.name === name)] ?? 1,
        });
        for (const { gradients, variables: expected } of oracle.steps) {
          tf.tidy(() =>
            optimizer.applyGradients(
              gradients.map((gradient, i) => ({
                name: variables[i]!.name,
                tensor: gradient === null ? null! : tf.tensor(gradient, oracle.shapes[i]!),
              })),
            ),
          );
          for (const [i, variable] of variables.entries()) {
            expectClose(await variable.data(), expected[i]!, 1e-6);
          }
        }
        optimizer.dispose();
        tf.dispose(variables);
      });
    }
  });

  describe('AdamW', () => {
    const loss = (v: tf.Variable) => () => tf.sum(tf.square(tf.sub(v, 3))) as tf.Scalar;

    it('minimizes, returns the cost when asked, and takes maps as well as lists', async () => {
      const v = toVariable(tf.tensor1d([0, 1]));
      const optimizer = new AdamW({ learningRate: 0.5 });
      const first = (await take(optimizer.minimize(loss(v), true, [v])!))[0];
      for (let i = 0; i < 40; i++) {
        const { value, grads } = tf.variableGrads(loss(v), [v]);
        optimizer.applyGradients(grads);
        await value.data();
        tf.dispose([value, grads]);
      }
      expect(first).toBeCloseTo(13, 5);
      expect((await take(tf.tidy(loss(v))))[0]).toBeLessThan(0.1);
      expect(optimizer.iterations).toBe(41);
      expect(optimizer).toBeInstanceOf(tf.Optimizer);
      optimizer.dispose();
      v.dispose();
    });

    it('decays only what `decays` names, and leaves a rate of 0 alone', async () => {
      const variables = ['decayed', 'kept', 'still'].map((name) =>
        tf.tidy(() => tf.variable(tf.ones([2]), true, `aw/${name}`)),
      );
      const optimizer = new AdamW({
        learningRate: 0.1,
        weightDecay: 0.5,
        decays: (name, variable) => name === 'aw/decayed' && variable.shape.length === 1,
        rates: (name) => (name === 'aw/still' ? 0 : 1),
      });
      const gradients = Object.fromEntries(variables.map((v) => [v.name, tf.zeros([2])]));
      optimizer.applyGradients(gradients);
      tf.dispose(gradients);
      const values = await Promise.all(variables.map((v) => v.data()));
      expect(values.map((v) => Math.fround(v[0]!))).toEqual([Math.fround(0.95), 1, 1]);
      optimizer.dispose();
      tf.dispose(variables);
    });

    it('keeps no tensor of a step', async () => {
      const v = toVariable(tf.ones([3]));
      const optimizer = new AdamW();
      optimizer.minimize(loss(v), false, [v]);
      await v.data();
      const before = tf.memory().numTensors;
      for (let i = 0; i < 3; i++) optimizer.minimize(loss(v), false, [v]);
      await v.data();
      expect(tf.memory().numTensors).toBe(before);
      optimizer.dispose();
      v.dispose();
      expect(tf.memory().numTensors).toBe(before - 3);
    });

    it('goes on from a saved state as if it had never stopped', async () => {
      const run = async (moveAt: number, way: 'state' | 'weights'): Promise<number[]> => {
        const v = toVariable(tf.tensor1d([0.3, -2]));
        let optimizer = new AdamW({ learningRate: 0.1 });
        for (let i = 0; i < 6; i++) {
          if (i === moveAt) {
            const next = new AdamW({ learningRate: 0.1 });
            if (way === 'state') next.setState(optimizer.state(), optimizer.iterations);
            else {
              const weights = await optimizer.getWeights();
              await next.setWeights(weights);
              for (const { tensor } of weights) if (tensor.rank === 0) tensor.dispose();
            }
            expect(next.iterations).toBe(i);
            optimizer.dispose();
            optimizer = next;
          }
          optimizer.minimize(loss(v), false, [v]);
          await v.data();
        }
        optimizer.dispose();
        return take(v);
      };
      const whole = await run(-1, 'state');
      expect(await run(3, 'state')).toEqual(whole);
      expect(await run(3, 'weights')).toEqual(whole);
    });

    it('refuses numbers out of range and a gradient of no variable', () => {
      expect(() => new AdamW({ learningRate: -1 })).toThrow(
        'learningRate must be a number of at least 0, got -1',
      );
      expect(() => new AdamW({ beta2: 1 })).toThrow('beta2 must be in [0, 1), got 1');
      // An element without a gradient would become 0 / 0.
      expect(() => resolveOptions({ epsilon: 0 })).toThrow('trainer: epsilon must be above 0');
      expect(() =>
        new AdamW().applyGradients({ nobody: new tf.Tensor([], 'float32', {}, 0) }),
      ).toThrow("got 'nobody'");
    });
  });

  describe('clipScale equals torch.nn.utils.clip_grad_norm_', () => {
    for (const { shapes, maxNorm, gradients, norm, clipped } of fixture.clipping) {
      it(`norm ${norm.toPrecision(3)} to at most ${maxNorm}`, async () => {
        const tensors = tensorsOf(gradients, shapes);
        const total = globalNorm(tensors);
        const scale = clipScale(total, maxNorm);
        for (const [i, tensor] of tensors.entries()) {
          expectClose(await take(tf.mul(tensor, scale)), clipped[i]!, 1e-6);
        }
        expectClose(await take(total), [norm], 1e-6);
        tf.dispose([tensors, scale]);
      });
    }

    it('the norm of nothing is 0', async () => {
      expect(await take(globalNorm([]))).toEqual([0]);
    });
  });
});
