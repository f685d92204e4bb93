import { readdirSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { modes } from '../../src/fusion/fusion.js';
import type { Fusion, FusionConfig, Mode } from '../../src/fusion/fusion.js';
import { createFusion } from '../../src/fusion/index.js';
import { crossEntropyRows } from '../../src/training/loss.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { forwardTolerance, gradientTolerance, Oracle } from '../oracle.js';

const sizes = {
  ...{ textSize: 9, imageSize: 14, hiddenSize: 6, classes: 3 },
  ...{ tokenSize: 7, regionSize: 8, layerSize: 8 },
};
const fixtures = readdirSync(new URL('../fixtures/fusions', import.meta.url))
  .map((name) => name.replace('.safetensors', ''))
  .filter((name) => !name.startsWith('mmbt')) // of BERT's layers: mmbt.test.ts
  .toSorted();

/** A fusion with PyTorch's weights, and its features. */
function load(oracle: Oracle): { fusion: Fusion; features: Record<string, tf.Tensor> } {
  const fusion = createFusion(JSON.parse(oracle.metadata['config']!) as FusionConfig, sizes);
  fusion.loadStateDict(oracle.under('weight.'));
  const names = ['text', 'image', 'textTokens', 'textMask', 'imageRegions'];
  const present = names.filter((name) => oracle.has(name));
  return {
    fusion,
    features: Object.fromEntries(present.map((name) => [name, oracle.tensor(name)])),
  };
}

const run = (fusion: Fusion, features: object, mode: Mode): tf.Tensor2D =>
  fusion.forward(features, { mode, training: false });

describeBackends('fusions against their papers in PyTorch', () => {
  test.each(fixtures)('%s: logits of each mode and every gradient', async (name) => {
    const oracle = new Oracle(`fusions/${name}`);
    const { fusion, features } = load(oracle);
    const weights = oracle.tensor('lossWeights');
    for (const mode of modes) {
      await oracle.expect(run(fusion, features, mode), `logits.${mode}`, forwardTolerance);
    }
    const loss = (given: object): tf.Scalar =>
      tf.addN(modes.map((mode) => tf.sum(tf.mul(run(fusion, given, mode), weights)))) as tf.Scalar;
    const { value, grads } = tf.variableGrads(() => loss(features));
    const parameters = fusion.namedParameters();
    expect([...parameters.keys()].toSorted()).toEqual(
      Object.keys(oracle.under('gradient.')).toSorted(),
    );
    for (const [parameter, variable] of parameters) {
      await oracle.expect(grads[variable.name]!, `gradient.${parameter}`, gradientTolerance);
    }
    const differentiated = Object.keys(oracle.under('d.'));
    const toLoss = (...given: tf.Tensor[]): tf.Scalar =>
      loss({ ...features, ...Object.fromEntries(differentiated.map((key, i) => [key, given[i]])) });
    const ofInputs = tf.grads(toLoss)(differentiated.map((key) => features[key]!));
    for (const [i, key] of differentiated.entries()) {
      await oracle.expect(ofInputs[i]!, `d.${key}`, gradientTolerance);
    }
    tf.dispose([features, weights, value]);
    fusion.dispose();
  });

  test.each(fixtures)('%s: a row alone has the logits that it has among others', async (name) => {
    const oracle = new Oracle(`fusions/${name}`);
    const { fusion, features } = load(oracle);
    const first = Object.fromEntries(
      Object.entries(features).map(([key, all]) => [key, tf.slice(all, 0, 1)]),
    );
    for (const mode of modes) {
      const expected = oracle.host(`logits.${mode}`).values.subarray(0, sizes.classes);
      expectClose(await take(run(fusion, first, mode)), expected, forwardTolerance);
    }
    tf.dispose([features, first]);
    fusion.dispose();
  });

  test.each(fixtures.filter((name) => new Oracle(`fusions/${name}`).has('losses.both')))(
    '%s: the losses of rows in each mode and their gradients',
    async (name) => {
      const oracle = new Oracle(`fusions/${name}`);
      const { fusion, features } = load(oracle);
      const [targets, counted, epoch] = [
        oracle.tensor<tf.Tensor2D>('targets'),
        oracle.tensor<tf.Tensor1D>('counted'),
        oracle.tensor<tf.Scalar>('epoch'),
      ];
      const losses = (mode: Mode): tf.Tensor1D =>
        tf.tidy(() => {
          const logits = run(fusion, features, mode);
          return fusion.rowLosses(logits, targets, {
            ...{ mode, counted, epoch },
            crossEntropy: crossEntropyRows,
          });
        });
      for (const mode of modes) {
        await oracle.expect(losses(mode), `losses.${mode}`, forwardTolerance);
      }
      const total = (): tf.Scalar =>
        tf.addN(modes.map((mode) => tf.sum(tf.mul(losses(mode), counted)))) as tf.Scalar;
      const { value, grads } = tf.variableGrads(total);
      for (const [parameter, variable] of fusion.namedParameters()) {
        await oracle.expect(grads[variable.name]!, `lossGradient.${parameter}`, gradientTolerance);
      }
      tf.dispose([features, targets, counted, epoch, value]);
      fusion.dispose();
    },
  );
});
