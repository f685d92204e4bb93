import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { BertEncoder } from '../../src/encoders/bert.js';
import { modes } from '../../src/fusion/fusion.js';
import type { Mode } from '../../src/fusion/fusion.js';
import { createFusion } from '../../src/fusion/index.js';
import { lendLayers } from '../../src/modelInput.js';
import { describeBackends } from '../backends.js';
import { forwardTolerance, gradientTolerance, Oracle } from '../oracle.js';

const sizes = {
  ...{ textSize: 9, imageSize: 14, hiddenSize: 6, classes: 3 },
  ...{ tokenSize: 8, regionSize: 8, layerSize: 8 },
};
const bert = {
  ...{ vocabSize: 11, hiddenSize: 8, numHiddenLayers: 2, numAttentionHeads: 2 },
  ...{ intermediateSize: 10, maxPositionEmbeddings: 8 },
  ...{ hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
};
const context = { training: true };

function load() {
  const oracle = new Oracle('fusions/mmbt.0');
  const weights = Object.entries(oracle.under('weight.'));
  const isBert = (name: string): boolean => name.startsWith('text_encoder.');
  const encoder = new BertEncoder(bert);
  encoder.loadStateDict(oracle.under('weight.text_encoder.'));
  const fusion = createFusion({ type: 'mmbt', dropout: 0 }, sizes);
  fusion.loadStateDict(Object.fromEntries(weights.filter(([name]) => !isBert(name))));
  return { oracle, encoder, fusion };
}

describeBackends('mmbt against BERT of transformers on words and pictures together', () => {
  test('logits of each mode and every gradient, those of BERT included', async () => {
    const { oracle, encoder, fusion } = load();
    const names = ['text', 'image', 'imageRegions'] as const;
    const [text, image, regions] = names.map((name) => oracle.tensor(name)) as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor3D,
    ];
    const [inputIds, textMask, weights] = [
      oracle.tensor<tf.Tensor2D>('ids'),
      oracle.tensor<tf.Tensor2D>('textMask'),
      oracle.tensor('lossWeights'),
    ];
    const textLayers = lendLayers(encoder);
    const run = (mode: Mode, imageRegions = regions): tf.Tensor2D =>
      tf.tidy(() => {
        const textEmbeddings = encoder.embedText({ inputIds }, context);
        const features = { text, image, textEmbeddings, textMask, imageRegions };
        return fusion.forward(features, { ...context, mode, textLayers });
      });
    for (const mode of modes) await oracle.expect(run(mode), `logits.${mode}`, forwardTolerance);
    const loss = (imageRegions?: tf.Tensor3D): tf.Scalar =>
      tf.addN(modes.map((mode) => tf.sum(tf.mul(run(mode, imageRegions), weights)))) as tf.Scalar;
    const { value, grads } = tf.variableGrads(() => loss());
    const named = [
      ...fusion.namedParameters(),
      ...[...encoder.namedParameters()].map(
        ([name, one]) => [`text_encoder.${name}`, one] as const,
      ),
    ];
    expect(named.map(([name]) => name).toSorted()).toEqual(
      Object.keys(oracle.under('gradient.')).toSorted(),
    );
    for (const [name, variable] of named) {
      await oracle.expect(grads[variable.name]!, `gradient.${name}`, gradientTolerance);
    }
    await oracle.expect(
      tf.grad((x) => loss(x as tf.Tensor3D))(regions),
      'd.imageRegions',
      gradientTolerance,
    );
    tf.dispose([text, image, regions, inputIds, textMask, weights, value]);
    fusion.dispose();
    encoder.dispose();
  });

  test('more regions than BERT has positions are refused', () => {
    const { encoder, fusion } = load();
    const regions = tf.zeros<tf.Rank.R3>([1, 9, 8]);
    expect(() => encoder.embedVectors(regions, context)).toThrow(
      'bert: vectors must be [batch, count <= 8, 8], got [1, 9, 8]; give fewer',
    );
    tf.dispose([regions]);
    fusion.dispose();
    encoder.dispose();
  });
});
