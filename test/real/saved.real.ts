// What is saved here loads in PyTorch:
//
//     OUT=FOLDER npm run test:real saved
//     python test/real/saved.py FOLDER
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { BertResNetModel } from '../../src/model.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';

const { OUT } = process.env;

beforeAll(async () => {
  await useBackend('cpu');
});

test.each(['mlp', 'attention', 'cnn'])(
  'writes a model with the fusion %s, and its logits',
  async (fusion) => {
    const model = new BertResNetModel({
      labels: ['a', 'b', 'c'],
      text: {
        vocabSize: 50,
        hiddenSize: 24,
        numHiddenLayers: 2,
        numAttentionHeads: 3,
        intermediateSize: 30,
      },
      image: { embeddingSize: 8, hiddenSizes: [16, 24, 32, 40], depths: [2, 1, 1, 1] },
      hiddenSize: 10,
      fusion,
    });
    const inputIds = tf.tensor2d(
      [
        [1, 4, 2, 9, 0],
        [7, 7, 7, 7, 7],
      ],
      [2, 5],
      'int32',
    );
    const attentionMask = tf.tensor2d(
      [
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
      ],
      [2, 5],
      'int32',
    );
    const image = tf.randomNormal<tf.Rank.R4>([2, 64, 50, 3], 0, 1, 'float32', 7);
    const text = { inputIds, attentionMask };
    for (let pass = 0; pass < 3; pass++)
      tf.dispose(model.forward({ text, image }, { training: true }));
    await model.save(`${OUT!}/${fusion}`);
    const logits = model.forward({ text, image });
    await writeSafetensors(`${OUT!}/${fusion}-expected.safetensors`, { ...text, image, logits });
  },
);
