import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import type { BertResNetModel } from '../../src/model.js';
import { freezeForEpoch, freezeForRun } from '../../src/training/freezing.js';
import type { FreezeOptions } from '../../src/training/freezing.js';
import { parameterRates } from '../../src/training/rates.js';
import { tinyModel } from './tiny.js';

let model: BertResNetModel;
beforeAll(async () => {
  await useBackend('cpu');
  model = await tinyModel({
    text: {
      vocabSize: 20,
      hiddenSize: 4,
      numHiddenLayers: 3,
      numAttentionHeads: 2,
      intermediateSize: 4,
    },
  });
  return () => model.dispose();
});

const names = {
  embeddings: 'text_encoder.embeddings.word_embeddings.weight',
  first: 'text_encoder.encoder.layer.0.output.dense.weight',
  last: 'text_encoder.encoder.layer.2.output.dense.weight',
  stem: 'visual_encoder.conv1.weight',
  stage1: 'visual_encoder.layer1.0.conv1.weight',
  stage2: 'visual_encoder.layer2.0.conv1.weight',
  head: 'mlp_both.fc1.weight',
};

describe('parameterRates', () => {
  const rate = { learningRate: 1, layerDecay: 1 };

  it('are those of the encoders and the head', () => {
    const options = { ...rate, textLearningRate: 2, headLearningRate: 3 };
    const rates = parameterRates(model.namedParameters().keys(), options);
    expect([...rates.keys()]).toEqual([...model.namedParameters().keys()]);
    expect(rates.get(names.first)).toBe(2);
    expect(rates.get(names.stage1)).toBe(1);
    expect(rates.get(names.head)).toBe(3);
  });

  it('fall by layerDecay from an encoder’s last block to its first', () => {
    const rates = parameterRates(model.namedParameters().keys(), { ...rate, layerDecay: 0.5 });
    const found = Object.fromEntries(
      Object.entries(names).map(([key, name]) => [key, rates.get(name)]),
    );
    expect(found).toEqual({
      ...{ embeddings: 1 / 16, first: 1 / 8, last: 1 / 2 },
      ...{ stem: 1 / 8, stage1: 1 / 4, stage2: 1 / 2, head: 1 },
    });
  });
});

describe('freezing', () => {
  /** The short names of what is trained in each of the first epochs. */
  const trained = (freeze: FreezeOptions, gradualUnfreezing = 0, epochs = 6): string[][] => {
    const options = { freeze: { text: false, image: false, ...freeze }, gradualUnfreezing };
    const all = freezeForRun(model, options);
    const found = Array.from({ length: epochs }, (_, epoch) => {
      const parameters = freezeForEpoch(all, epoch, options);
      for (const [name, variable] of model.namedParameters()) {
        expect(variable.trainable, name).toBe(parameters.has(name));
      }
      return Object.entries(names).flatMap(([key, name]) => (parameters.has(name) ? [key] : []));
    });
    freezeForEpoch(all, Infinity, options);
    return found;
  };
  const text = ['embeddings', 'first', 'last'];
  const image = ['stem', 'stage1', 'stage2'];

  it('is of an encoder, for the whole run or for some epochs', () => {
    expect(trained({ text: true }, 0, 2)).toEqual([
      [...image, 'head'],
      [...image, 'head'],
    ]);
    expect(trained({ image: 1 }, 0, 2)).toEqual([
      [...text, 'head'],
      [...text, ...image, 'head'],
    ]);
  });

  it('is of parameters by name', () => {
    const freeze = { parameters: ['text_encoder.embeddings.*', '*.conv1.weight'] };
    expect(trained(freeze, 0, 1)).toEqual([['first', 'last', 'head']]);
    expect(() => trained({ parameters: ['nothing.*'] })).toThrow(
      "got 'nothing.*', which names none",
    );
  });

  it('is undone block by block, from the last', () => {
    expect(trained({}, 1)).toEqual([
      ['head'],
      ['last', 'stage2', 'head'],
      ['last', 'stage1', 'stage2', 'head'],
      ['first', 'last', ...image, 'head'],
      [...text, ...image, 'head'],
      [...text, ...image, 'head'],
    ]);
    expect(trained({ text: true, image: 1 }, 2, 4)).toEqual([
      ['head'],
      ['stage2', 'head'],
      ['stage2', 'head'],
      ['stage1', 'stage2', 'head'],
    ]);
  });
});
