import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { BertEncoder } from '../../src/encoders/bert.js';
import { bertConfigFromJson } from '../../src/encoders/bertConfig.js';
import type { TextInput } from '../../src/encoders/encoder.js';
import type { Pooling } from '../../src/encoders/pooling.js';
import { DropoutSource } from '../../src/nn/dropout.js';
import { describeBackends, take } from '../backends.js';
import { forwardTolerance, gradientTolerance, Oracle } from '../oracle.js';

const cases = [
  'bert-gelu',
  'bert-mean',
  'bert-gelu-new',
  'bert-gelu-tanh',
  'bert-relu',
  'bert-silu',
  'bert-joined',
];

function load(name: string): { oracle: Oracle; encoder: BertEncoder; text: Required<TextInput> } {
  const oracle = new Oracle(name);
  const config = bertConfigFromJson(JSON.parse(oracle.metadata['config']!), name);
  const pooling = oracle.metadata['pooling']!.split(',') as Pooling[];
  const encoder = new BertEncoder({ ...config, pooling }, { initialize: false });
  encoder.loadStateDict(oracle.under('weight.'));
  const text = {
    inputIds: oracle.tensor<tf.Tensor2D>('ids'),
    attentionMask: oracle.tensor<tf.Tensor2D>('mask'),
    tokenTypeIds: oracle.tensor<tf.Tensor2D>('types'),
  };
  return { oracle, encoder, text };
}

const evaluation = { training: false };

describeBackends('BertEncoder', () => {
  test.each(cases)(
    '%s: embeddings, every block and the feature equal those of transformers',
    async (name) => {
      const { oracle, encoder, text } = load(name);
      const states = tf.tidy(() => encoder.hiddenStates(text, evaluation));
      for (const [i, state] of states.entries())
        await oracle.expect(state, `hidden.${i}`, forwardTolerance);
      await oracle.expect(encoder.forward(text, evaluation), 'feature', forwardTolerance);
      tf.dispose({ ...text });
      encoder.dispose();
    },
  );

  test.each(cases)('%s: so do the gradients of every parameter', async (name) => {
    const { oracle, encoder, text } = load(name);
    const weights = oracle.tensor('lossWeights');
    const { value, grads } = tf.variableGrads(() => {
      const feature = encoder.forward(text, { training: true });
      return tf.sum(tf.mul(feature, weights)) as tf.Scalar;
    });
    for (const [key, variable] of encoder.namedParameters()) {
      await oracle.expect(grads[variable.name]!, `gradient.${key}`, gradientTolerance);
    }
    tf.dispose([{ ...text }, weights, value]);
    encoder.dispose();
  });

  test.each(cases)(
    '%s: without a mask every token counts, without types all are 0',
    async (name) => {
      const { oracle, encoder, text } = load(name);
      const states = tf.tidy(() => encoder.hiddenStates({ inputIds: text.inputIds }, evaluation));
      await oracle.expect(states.at(-1)!, 'plain', forwardTolerance);
      tf.dispose([states, { ...text }]);
      encoder.dispose();
    },
  );

  test('the same row gives the same feature whatever pads the batch', async () => {
    const { encoder, text } = load('bert-gelu');
    const [inputIds, attentionMask] = [
      tf.slice(text.inputIds, [1, 0], [1, 4]),
      tf.slice(text.attentionMask, [1, 0], [1, 4]),
    ];
    const padded = { inputIds: text.inputIds, attentionMask: text.attentionMask };
    const alone = await take(encoder.forward({ inputIds, attentionMask }, evaluation));
    const batched = await take(encoder.forward(padded, evaluation));
    const width = encoder.featureSize;
    alone.forEach((value, i) => expect(value).toBeCloseTo(batched[width + i]!, 5));
    tf.dispose([inputIds, attentionMask, { ...text }]);
    encoder.dispose();
  });

  test('dropout changes what training sees, repeatably', async () => {
    const config = {
      hiddenSize: 12,
      numAttentionHeads: 2,
      numHiddenLayers: 1,
      intermediateSize: 8,
      vocabSize: 9,
    };
    const encoder = new BertEncoder({
      ...config,
      hiddenDropoutProb: 0.3,
      attentionProbsDropoutProb: 0.3,
    });
    const inputIds = tf.tensor2d([[1, 2, 3]], [1, 3], 'int32');
    const run = (training: boolean, step: number): Promise<number[]> =>
      take(encoder.forward({ inputIds }, { training, random: new DropoutSource(1, step) }));
    expect(await run(true, 1)).toEqual(await run(true, 1));
    expect(await run(true, 2)).not.toEqual(await run(true, 1));
    expect(await run(false, 2)).toEqual(await run(false, 1));
    inputIds.dispose();
    encoder.dispose();
  });
});

describeBackends('BertEncoder refuses', () => {
  const tiny = {
    hiddenSize: 4,
    numAttentionHeads: 1,
    numHiddenLayers: 1,
    intermediateSize: 4,
    vocabSize: 6,
  };
  const refuses = (text: Record<string, tf.Tensor>, message: RegExp): void => {
    const encoder = new BertEncoder({ ...tiny, maxPositionEmbeddings: 5 });
    expect(() => encoder.forward(text as unknown as TextInput, evaluation)).toThrow(message);
    tf.dispose(text);
    encoder.dispose();
  };

  test('rows that are too long', () => {
    refuses(
      { inputIds: tf.zeros([2, 6], 'int32') },
      /bert: inputIds must be \[batch, length <= 5\], got \[2, 6\]; pass maxLength to the tokenizer/,
    );
  });

  test('empty batches, other ranks and types', () => {
    refuses({ inputIds: tf.zeros([0, 3], 'int32') }, /got \[0, 3\]/);
    refuses({ inputIds: tf.zeros([3], 'int32') }, /got \[3\]/);
    refuses({ inputIds: tf.zeros([1, 3]) }, /inputIds must be int32, got float32/);
    refuses({}, /text must be \{ inputIds/);
  });

  test('a mask or types of another shape', () => {
    const inputIds = (): tf.Tensor => tf.zeros([2, 3], 'int32');
    refuses(
      { inputIds: inputIds(), attentionMask: tf.ones([2, 2], 'int32') },
      /attentionMask must have the shape of inputIds \[2, 3\], got \[2, 2\]/,
    );
    refuses(
      { inputIds: inputIds(), tokenTypeIds: tf.ones([3], 'int32') },
      /tokenTypeIds must have the shape of inputIds/,
    );
  });

  test('ids outside the vocabulary', () => {
    refuses(
      { inputIds: tf.tensor2d([[1, 6]], [1, 2], 'int32') },
      /inputIds must be in 0 ... 5 .*got 6/,
    );
    refuses({ inputIds: tf.tensor2d([[1, -1]], [1, 2], 'int32') }, /got -1/);
    const inputIds = tf.tensor2d([[1, 2]], [1, 2], 'int32');
    refuses(
      { inputIds, tokenTypeIds: tf.tensor2d([[0, 2]], [1, 2], 'int32') },
      /tokenTypeIds must be in 0 ... 1/,
    );
  });
});
