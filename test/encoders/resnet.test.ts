import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ResNetFeatureModel } from '../../src/encoders/resnet.js';
import type { ImagePooling } from '../../src/encoders/pooling.js';
import type { OutputLayer } from '../../src/encoders/resnet.js';
import { resNetConfigFromJson } from '../../src/encoders/resnetConfig.js';
import { describeBackends } from '../backends.js';
import { forwardTolerance, gradientTolerance, Oracle } from '../oracle.js';

const cases = [
  'resnet-basic',
  'resnet-bottleneck',
  'resnet-bottleneck-first',
  'resnet-first-stage',
  'resnet-gelu',
  'resnet-max',
  'resnet-mean-max',
];

function load(
  name: string,
  outputLayer?: OutputLayer,
): { oracle: Oracle; model: ResNetFeatureModel; image: tf.Tensor4D } {
  const oracle = new Oracle(name);
  const image = oracle.tensor<tf.Tensor4D>('image');
  const geometry = resNetConfigFromJson(JSON.parse(oracle.metadata['config']!), name);
  const ways = oracle.metadata['pooling']!.split(',') as ImagePooling[];
  const config = { ...geometry, pooling: ways.length === 1 ? ways[0]! : ways };
  const imageSize: [number, number] = [image.shape[1], image.shape[2]];
  const model = new ResNetFeatureModel({ config, outputLayer, imageSize }, { initialize: false });
  const strict = outputLayer === undefined;
  const report = model.loadStateDict(oracle.under('weight.'), { strict });
  expect(report.missing).toEqual([]);
  return { oracle, model, image };
}

const layers: readonly OutputLayer[] = ['maxpool', 'layer1', 'layer2', 'layer3', 'layer4'];

describeBackends('ResNetFeatureModel', () => {
  test.each(cases)(
    '%s: the stem, every stage and the feature equal those of transformers',
    async (name) => {
      for (const [i, layer] of layers.entries()) {
        const { oracle, model, image } = load(name, layer);
        const maps = model.forward(image, { training: false });
        expect(model.featureSize).toBe(maps.size / image.shape[0]);
        await oracle.expect(maps, `evaluation.hidden.${i}`, forwardTolerance);
        image.dispose();
        model.dispose();
      }
      const { oracle, model, image } = load(name);
      const feature = model.forward(image, { training: false });
      expect(model.featureSize).toBe(feature.shape[1]);
      await oracle.expect(feature, 'evaluation.pooled', forwardTolerance);
      const places = model.sequence(image, { training: false });
      await oracle.expect(model.poolSequence(places), 'evaluation.pooled', forwardTolerance);
      places.dispose();
      image.dispose();
      model.dispose();
    },
  );

  test.each(cases)('%s: so do training, its gradients and the running statistics', async (name) => {
    const { oracle, model, image } = load(name);
    const weights = oracle.tensor('lossWeights');
    const { value, grads } = tf.variableGrads(() => {
      const feature = model.forward(image, { training: true });
      return tf.sum(tf.mul(feature, weights)) as tf.Scalar;
    });
    for (const [key, variable] of model.namedParameters()) {
      await oracle.expect(grads[variable.name]!, `gradient.${key}`, gradientTolerance);
    }
    tf.tidy(() => void model.forward(tf.mul(image, 2), { training: true }));
    for (const [key, buffer] of model.namedBuffers()) {
      await oracle.expect(tf.clone(buffer), `after.${key}`, forwardTolerance);
    }
    tf.dispose([image, weights, value]);
    model.dispose();
  });

  test('stops at each of the children', () => {
    const config = {
      embeddingSize: 4,
      hiddenSizes: [4, 8],
      depths: [1, 1],
      layerType: 'basic',
    } as const;
    const image = tf.zeros<tf.Rank.R4>([1, 21, 34, 3]);
    const shapes = {
      conv1: [1, 11, 17, 4],
      bn1: [1, 11, 17, 4],
      relu: [1, 11, 17, 4],
      maxpool: [1, 6, 9, 4],
      layer1: [1, 6, 9, 4],
      layer2: [1, 3, 5, 8],
      avgpool: [1, 8],
    };
    for (const [outputLayer, shape] of Object.entries(shapes)) {
      const model = new ResNetFeatureModel({
        config,
        outputLayer: outputLayer as OutputLayer,
        imageSize: [21, 34],
      });
      const maps = model.forward(image, { training: false });
      expect(maps.shape).toEqual(shape);
      expect(model.featureSize).toBe(maps.size);
      maps.dispose();
      model.dispose();
    }
    const beyond = (): unknown => new ResNetFeatureModel({ config, outputLayer: 'layer3' });
    expect(beyond).toThrow(/outputLayer must be one of conv1, .*layer2, avgpool, got 'layer3'/);
    image.dispose();
  });

  test('refuses what is not a picture', () => {
    const config = { embeddingSize: 4, hiddenSizes: [4], depths: [1], layerType: 'basic' } as const;
    const model = new ResNetFeatureModel({ config });
    for (const image of [
      tf.zeros([1, 8, 8, 1]),
      tf.zeros([8, 8, 3]),
      tf.zeros([1, 8, 8, 3], 'int32'),
    ]) {
      expect(() => model.forward(image as tf.Tensor4D, { training: false })).toThrow(
        /image must be float32 \[batch, height, width, 3\]/,
      );
      image.dispose();
    }
    model.dispose();
  });
});
