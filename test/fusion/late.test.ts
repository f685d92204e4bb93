import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { createFusion } from '../../src/fusion/index.js';
import { LateFusion } from '../../src/fusion/late.js';
import { describeBackends, expectClose, take } from '../backends.js';

describeBackends('late fusion', () => {
  it('adds the logits of the single modes, and has no parameters beside theirs', async () => {
    const fusion = createFusion(
      'late',
      { textSize: 3, imageSize: 5, hiddenSize: 4, classes: 2 },
      { seed: 3 },
    );
    expect(fusion).toBeInstanceOf(LateFusion);
    expect([...fusion.namedParameters().keys()].sort()).toEqual([
      'mlp_image.bias',
      'mlp_image.weight',
      'mlp_text.bias',
      'mlp_text.weight',
    ]);
    const features = { text: tf.tensor2d([[1, -2, 3]]), image: tf.tensor2d([[1, 0, 2, 0, -3]]) };
    const [text, image, both] = await Promise.all(
      (['text', 'image', 'both'] as const).map((mode) =>
        take(fusion.forward(features, { mode, training: false })),
      ),
    );
    expectClose(
      both!,
      text!.map((logit, i) => logit + image![i]!),
      { relative: 1e-5 },
    );
    tf.dispose(Object.values(features));
    fusion.dispose();
  });
});
