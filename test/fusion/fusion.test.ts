import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AttentionFusion } from '../../src/fusion/attention.js';
import { Fusion } from '../../src/fusion/fusion.js';
import type { Mode } from '../../src/fusion/fusion.js';
import { createFusion, fusionTypes, registerFusion } from '../../src/fusion/index.js';
import { TwoInputMLP } from '../../src/fusion/mlp.js';
import { Linear } from '../../src/nn/linear.js';
import { describeBackends, take } from '../backends.js';
import { forwardTolerance, gradientTolerance, Oracle } from '../oracle.js';

const sizes = { textSize: 9, imageSize: 14, hiddenSize: 6, classes: 3 };
const builtIn = ['mlp', 'cnn', 'attention', 'attention-original'];
const modes: readonly Mode[] = ['text', 'image', 'both'];

describeBackends('fusions against PyTorch', () => {
  test.each(builtIn)('%s: logits of each mode and every gradient', async (type) => {
    const oracle = new Oracle(`fusion-${type}`);
    const fusion = createFusion(type, sizes);
    fusion.loadStateDict(oracle.under('weight.'));
    const [text, image] = [oracle.tensor<tf.Tensor2D>('text'), oracle.tensor<tf.Tensor2D>('image')];
    const weights = oracle.tensor('lossWeights');
    const run = (mode: Mode): tf.Tensor2D =>
      fusion.forward({ text, image }, { mode, training: true });
    for (const mode of modes) await oracle.expect(run(mode), `logits.${mode}`, forwardTolerance);
    const loss = (): tf.Scalar =>
      tf.addN(modes.map((mode) => tf.sum(tf.mul(run(mode), weights)))) as tf.Scalar;
    const { value, grads } = tf.variableGrads(loss);
    for (const [name, variable] of fusion.namedParameters()) {
      await oracle.expect(grads[variable.name]!, `gradient.${name}`, gradientTolerance);
    }
    const [dText, dImage] = tf.grads((_text, _image) => loss())([text, image]);
    await oracle.expect(dText!, 'd.text', gradientTolerance);
    await oracle.expect(dImage!, 'd.image', gradientTolerance);
    tf.dispose([text, image, weights, value]);
    fusion.dispose();
  });

  test('attention weighs the modalities of each row, to a sum of 1', async () => {
    const fusion = new AttentionFusion(sizes);
    const [text, image] = [
      tf.randomNormal<tf.Rank.R2>([4, 9]),
      tf.randomNormal<tf.Rank.R2>([4, 14]),
    ];
    const weights = await take(fusion.weights(text, image));
    for (let row = 0; row < 4; row++)
      expect(weights[2 * row]! + weights[2 * row + 1]!).toBeCloseTo(1, 5);
    expect(new Set(weights).size).toBeGreaterThan(2);
    tf.dispose([text, image]);
    fusion.dispose();
  });
});

describeBackends('the registry', () => {
  test('has the built-in fusions, and takes others', async () => {
    class Gated extends Fusion {
      readonly gate = this.child(
        'gate',
        (scope) => new Linear(sizes.textSize, sizes.classes, scope),
      );
      protected override both(text: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
        return tf.mul(this.mlpImage.forward(image), tf.sigmoid(this.gate.forward(text)));
      }
    }
    if (!fusionTypes().includes('gated')) {
      registerFusion('gated', (given, scope, config) => new Gated(config, given, scope));
    }
    expect(fusionTypes()).toEqual(expect.arrayContaining([...builtIn, 'late', 'gated']));
    const fusion = createFusion({ type: 'gated', option: 1 }, sizes);
    expect(fusion.config).toEqual({ type: 'gated', option: 1 });
    expect([...fusion.namedParameters().keys()]).toContain('gate.weight');
    const features = { text: tf.zeros<tf.Rank.R2>([2, 9]), image: tf.zeros<tf.Rank.R2>([2, 14]) };
    const logits = fusion.forward(features, { mode: 'both', training: false });
    expect(logits.shape).toEqual([2, 3]);
    tf.dispose([{ ...features }, logits]);
    fusion.dispose();
  });

  test('refuses names that are unknown or taken', () => {
    expect(() => createFusion('average', sizes)).toThrow(
      /unknown type 'average'; known are mlp, concat, cnn, attention, /,
    );
    expect(() => registerFusion('mlp', () => createFusion('cnn', sizes))).toThrow(
      /'mlp' is registered already/,
    );
  });

  test('a feature that the mode needs must be there', () => {
    const fusion = createFusion('mlp', sizes);
    const text = tf.zeros<tf.Rank.R2>([1, 9]);
    expect(() => fusion.forward({ text }, { mode: 'both', training: false })).toThrow(
      /mode 'both' needs image features/,
    );
    text.dispose();
    fusion.dispose();
  });
});

describeBackends('TwoInputMLP', () => {
  test('stands alone, seeded', async () => {
    const [a, b, other] = [
      new TwoInputMLP(3, 4, 5, 2),
      new TwoInputMLP(3, 4, 5, 2),
      new TwoInputMLP(3, 4, 5, 2, { seed: 1 }),
    ];
    const inputs = [tf.ones<tf.Rank.R2>([2, 3]), tf.ones<tf.Rank.R2>([2, 4])] as const;
    const run = (mlp: TwoInputMLP): Promise<number[]> => take(mlp.forward(...inputs));
    expect(await run(b)).toEqual(await run(a));
    expect(await run(other)).not.toEqual(await run(a));
    expect([...a.namedParameters().keys()]).toEqual([
      'fc1.weight',
      'fc1.bias',
      'fc2.weight',
      'fc2.bias',
    ]);
    tf.dispose([...inputs]);
    for (const mlp of [a, b, other]) mlp.dispose();
  });
});
