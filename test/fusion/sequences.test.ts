import * as tf from '@tensorflow/tfjs-core';
import { expect, test, vi } from 'vitest';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { Dataset } from '../../src/datasets/example.js';
import { BertEncoder } from '../../src/encoders/bert.js';
import type { ImageEncoder, TextEncoder, TextInput } from '../../src/encoders/encoder.js';
import { ResNetFeatureModel } from '../../src/encoders/resnet.js';
import { InputError } from '../../src/errors.js';
import { createFusion } from '../../src/fusion/index.js';
import { BertResNetModel } from '../../src/model.js';
import { Linear } from '../../src/nn/linear.js';
import { Module } from '../../src/nn/module.js';
import { evaluate } from '../../src/training/evaluate.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { labels, tinyData, tinyModel, tinyRows, weightsOf } from '../training/tiny.js';

const small = { dim: 8, heads: 2, dropout: 0.1 };
const fusions = [
  { type: 'cross-attention', ...small },
  { type: 'transformer', ...small },
  { type: 'bottleneck', ...small },
  { type: 'mmbt' },
];

const bert = {
  ...{ vocabSize: 11, hiddenSize: 12, numHiddenLayers: 2, numAttentionHeads: 2 },
  ...{ intermediateSize: 10, maxPositionEmbeddings: 8 },
};
const resnet = {
  embeddingSize: 3,
  hiddenSizes: [4, 6],
  depths: [1, 1],
  layerType: 'basic',
} as const;

const ids = (): TextInput => ({
  inputIds: tf.tensor2d([1, 2, 3, 4, 5, 6, 0, 0], [2, 4], 'int32'),
  attentionMask: tf.tensor2d([1, 1, 1, 1, 1, 1, 0, 0], [2, 4], 'int32'),
});
const pictures = (): tf.Tensor4D =>
  tf.tensor4d(
    Float32Array.from({ length: 2 * 20 * 16 * 3 }, (_, i) => Math.sin(i * 0.37)),
    [2, 20, 16, 3],
  );

/** Rows of which some lack a picture or a text. */
function incomplete(count: number): Dataset {
  const rows = tinyRows(count).map(({ text, image, label }, i) =>
    i % 5 === 1 ? { text, label } : i % 5 === 3 ? { image, label } : { text, image, label },
  );
  return datasetFrom(rows, { labels, name: 'incomplete' });
}

describeBackends('sequences of encoders', () => {
  test.each(['cls', 'mean'] as const)(
    'BERT pools (%s) its sequence to its feature',
    async (pooling) => {
      const encoder = new BertEncoder({ ...bert, pooling });
      const text = ids();
      const expected = await take(encoder.forward(text, { training: false }));
      const pooled = tf.tidy(() => {
        const sequence = encoder.sequence(text, { training: false });
        expect(sequence.shape).toEqual([2, 4, encoder.sequenceSize]);
        return encoder.poolSequence(sequence, text);
      });
      expectClose(await take(pooled), expected);
      tf.dispose([{ ...text }]);
      encoder.dispose();
    },
  );

  test.each(['avgpool', 'layer1'] as const)('ResNet up to %s too', async (outputLayer) => {
    const encoder = new ResNetFeatureModel({ config: resnet, outputLayer, imageSize: [20, 16] });
    const image = pictures();
    const places = outputLayer === 'avgpool' ? 6 : 20;
    const pooled = tf.tidy(() => {
      const sequence = encoder.sequence(image, { training: false });
      expect(sequence.shape).toEqual([2, places, encoder.sequenceSize]);
      return encoder.poolSequence(sequence);
    });
    expect(pooled.shape).toEqual([2, encoder.featureSize]);
    const model = new BertResNetModel({ text: bert, image: encoder, hiddenSize: 4 });
    expectClose(await take(pooled), await take(model.encode({ image }).image!));
    image.dispose();
    model.dispose();
  });

  test('are computed where the fusion reads them, and once', async () => {
    const model = new BertResNetModel({ text: bert, image: resnet, fusion: fusions[1]! });
    const [text, image] = [ids(), pictures()];
    const spies = [model.textEncoder, model.visualEncoder].map((encoder) => [
      vi.spyOn(encoder, 'forward'),
      vi.spyOn(encoder as unknown as { sequence(): unknown }, 'sequence'),
    ]);
    const calls = (): number[] => spies.flat().map((spy) => spy.mock.calls.length);
    await take(model.forward({ text, image }));
    expect(calls()).toEqual([0, 1, 0, 1]);
    await take(model.forward({ text, image }, { mode: 'text' }));
    expect(calls()).toEqual([1, 1, 0, 1]);
    tf.dispose([{ ...text }, image]);
    model.dispose();
  });

  test.each(fusions)('padding changes nothing: $type', async (fusion) => {
    const model = new BertResNetModel({ text: bert, image: resnet, fusion });
    const image = tf.tidy(() => tf.slice(pictures(), 0, 1));
    const answer = (row: number[], mask: number[]): Promise<number[]> =>
      take(
        tf.tidy(() =>
          model.forward({
            text: {
              inputIds: tf.tensor2d([row], undefined, 'int32'),
              attentionMask: tf.tensor2d([mask], undefined, 'int32'),
            },
            image,
          }),
        ),
      );
    expectClose(await answer([3, 4, 5, 7], [1, 1, 1, 0]), await answer([3, 4, 5], [1, 1, 1]), {
      relative: 1e-4,
    });
    image.dispose();
    model.dispose();
  });
});

async function losses(options: TrainerOptions, data: Dataset, fusion: object) {
  const model = await tinyModel({ fusion: fusion as never });
  try {
    const history = await new Trainer(model, { epochs: 2, batchSize: 8, ...options }).fit(data);
    const weights = await weightsOf(model);
    const report = await evaluate(model, data);
    return { losses: history.map(({ loss }) => loss), weights, report };
  } finally {
    model.dispose();
  }
}

describeBackends('training fusions of sequences', () => {
  test.each(fusions)(
    '$type, with mixup, accumulation and rows that lack an input',
    async (fusion) => {
      const options = { mixup: 0.4, gradientAccumulationSteps: 2, learningRate: 0.01 };
      const { losses: found, report } = await losses(options, incomplete(24), fusion);
      expect(found.every(Number.isFinite)).toBe(true);
      expect(Object.keys(report.modes)).toEqual(['text', 'image', 'both']);
      expect(Number.isFinite(report.loss)).toBe(true);
    },
  );

  test.each(fusions)('$type learns on frozen encoders, which stay as they are', async (fusion) => {
    const freeze = { text: fusion.type !== 'mmbt', image: true }; // an untrained BERT tells mmbt nothing
    const options = { epochs: 10, learningRate: 0.01, freeze, auxiliary: { weight: 0 } };
    const before = await tinyModel();
    const untouched = await weightsOf(before);
    before.dispose();
    const { losses: found, weights } = await losses(options, tinyData(40), fusion);
    expect(found.at(-1)!).toBeLessThan(0.8 * found[0]!);
    for (const [name, values] of Object.entries(untouched)) {
      const frozen = name.startsWith('visual') || (freeze.text && name.startsWith('text_encoder'));
      if (frozen) expect(weights[name], name).toEqual(values);
    }
  });

  test.each(fusions)('$type with gradient checkpointing is that without', async (fusion) => {
    const options = { learningRate: 0.01, epsilon: 1e-3 };
    const plain = await losses(options, tinyData(16), fusion);
    const again = await losses({ ...options, gradientCheckpointing: true }, tinyData(16), fusion);
    expectClose(again.losses, plain.losses, { relative: 1e-4 });
    for (const [name, values] of Object.entries(plain.weights)) {
      expectClose(again.weights[name]!, values, { relative: 1e-3, absolute: 1e-4 });
    }
  });

  test.each(fusions)(
    '$type: features are not cached for it, but for its single modes',
    async (fusion) => {
      const options = { cacheFeatures: '/nowhere', freeze: { text: true, image: true } };
      const refused = losses(options, tinyData(8), fusion);
      await expect(refused).rejects.toThrow(InputError);
      await expect(refused).rejects.toThrow(
        `cacheFeatures keeps one vector a row, and the fusion '${fusion.type}' reads tokens and regions`,
      );
    },
  );
});

/** Encoders of one's own that give features and no sequences. */
class OwnText extends Module implements TextEncoder {
  readonly featureSize = 3;
  readonly config = { modelType: 'own' };
  readonly layer = this.child('layer', (scope) => new Linear(1, 3, scope));

  forward({ inputIds }: TextInput): tf.Tensor2D {
    return this.layer.forward(tf.mean<tf.Tensor2D>(tf.cast(inputIds, 'float32'), 1, true));
  }
}

class OwnImage extends Module implements ImageEncoder {
  readonly featureSize = 3;
  readonly config = { modelType: 'own' };

  forward(image: tf.Tensor4D): tf.Tensor2D {
    return tf.mean(image, [1, 2]);
  }
}

describeBackends('encoders that give no sequences', () => {
  test.each(fusions)('are refused by $type, and nothing is left behind', ({ type }) => {
    const before = tf.memory().numTensors;
    const text = new OwnText();
    const own = (): BertResNetModel => new BertResNetModel({ text, image: resnet, fusion: type });
    expect(own).toThrow(InputError);
    expect(own).toThrow(new RegExp(`fusion '${type}': reads .*, and the text encoder gives none`));
    const image = new OwnImage();
    const other = (): BertResNetModel => new BertResNetModel({ text: bert, image, fusion: type });
    expect(other).toThrow(/reads the vectors of regions, and the visual encoder gives none/);
    text.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('are refused by a fusion that was made before, too', () => {
    const sizes = { textSize: 3, imageSize: 6, hiddenSize: 4, classes: 2 };
    const fusion = createFusion(
      { type: 'transformer', ...small },
      { ...sizes, tokenSize: 3, regionSize: 6 },
    );
    const text = new OwnText();
    expect(() => new BertResNetModel({ text, image: resnet, fusion })).toThrow(
      "fusion 'transformer': reads the vectors of tokens",
    );
    text.dispose();
    fusion.dispose();
  });

  test('heads must divide the width', () => {
    const sizes = {
      textSize: 3,
      imageSize: 6,
      hiddenSize: 4,
      classes: 2,
      tokenSize: 3,
      regionSize: 6,
    };
    const before = tf.memory().numTensors;
    for (const type of ['cross-attention', 'transformer', 'bottleneck']) {
      expect(() => createFusion({ type, dim: 9, heads: 2 }, sizes)).toThrow(
        `fusion '${type}': heads must divide dim, got 2 and 9`,
      );
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});
