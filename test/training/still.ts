import * as tf from '@tensorflow/tfjs-core';
import type { LabelledExample } from '../../src/datasets/exampleDataset.js';
import type { BertResNetModel } from '../../src/model.js';
import type { ModelInput } from '../../src/modelOptions.js';
import { Random } from '../../src/nn/random.js';
import { tinyModel } from './tiny.js';

const text = {
  vocabSize: 16,
  hiddenSize: 8,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 12,
  maxPositionEmbeddings: 16,
  hiddenDropoutProb: 0,
  attentionProbsDropoutProb: 0,
};

/** A tiny model that drops nothing, every parameter of which is a random number: no bias is 0, no norm's weight 1. */
export async function stillModel(): Promise<BertResNetModel> {
  const model = await tinyModel({ text });
  const random = new Random(3, 'still');
  tf.tidy(() => {
    for (const variable of model.namedParameters().values()) {
      const mean = variable.rank === 1 ? 0.5 : 0;
      const values = Float32Array.from({ length: variable.size }, () => random.normal(mean, 0.4));
      variable.assign(tf.tensor(values, variable.shape));
    }
  });
  return model;
}

/** What a model reads of rows that have both inputs; the caller disposes of it. */
export async function inputsOf(
  { tokenizer, processor }: BertResNetModel,
  rows: readonly LabelledExample[],
): Promise<Required<ModelInput>> {
  const image = await processor!.process(rows.map((row) => row.image!));
  return { text: tokenizer!.encode(rows.map((row) => row.text!)), image };
}
