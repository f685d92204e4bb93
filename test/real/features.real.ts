// The features of real weights equal those of transformers:
//
//     python test/real/features.py --text FOLDER --image FOLDER --out features.safetensors
//     TEXT=FOLDER IMAGE=FOLDER EXPECTED=features.safetensors \
//       npm run test:real features
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { BertEncoder } from '../../src/encoders/bert.js';
import { ResNetFeatureModel } from '../../src/encoders/resnet.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { describeBackends } from '../backends.js';

const { TEXT, IMAGE, EXPECTED } = process.env;
const evaluation = { training: false };

describeBackends('real weights', () => {
  test.each(['cls', 'mean'] as const)('BERT, %s', async (pooling) => {
    const encoder = await timed('load', () => BertEncoder.fromPretrained(TEXT!, { pooling }));
    const oracle = await readSafetensors(EXPECTED!);
    const text = {
      inputIds: oracle['ids'] as tf.Tensor2D,
      attentionMask: oracle['mask'] as tf.Tensor2D,
    };
    await compare(() => encoder.forward(text, evaluation), oracle[pooling]!);
    tf.dispose(oracle);
    encoder.dispose();
  });

  test('ResNet', async () => {
    const encoder = await timed('load', () => ResNetFeatureModel.fromPretrained(IMAGE!));
    const oracle = await readSafetensors(EXPECTED!);
    const image = oracle['image'] as tf.Tensor4D;
    await compare(() => encoder.forward(image, evaluation), oracle['pooled']!);
    tf.dispose(oracle);
    encoder.dispose();
  });
});

/** The largest difference must be within 1e-4 of the largest magnitude. */
async function compare(forward: () => tf.Tensor, expected: tf.Tensor): Promise<void> {
  const actual = await timed('forward', async () => {
    const feature = forward();
    await feature.data();
    return feature;
  });
  const [difference, scale] = tf.tidy(() => [
    tf.max(tf.abs(tf.sub(actual, expected))),
    tf.max(tf.abs(expected)),
  ]) as [tf.Scalar, tf.Scalar];
  const relative = (await difference.data())[0]! / (await scale.data())[0]!;
  console.log(`  largest difference, relative: ${relative.toExponential(2)}`);
  expect(relative).toBeLessThan(1e-4);
  tf.dispose([actual, difference, scale]);
}

async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await run();
  console.log(`  ${what}: ${((performance.now() - start) / 1000).toFixed(2)} s`);
  return result;
}
