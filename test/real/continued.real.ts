// A run that began here goes on in PyTorch, with the losses that staying has:
//
//     OUT=FOLDER npm run test:real continued
//     python test/real/continued.py FOLDER
import { cp } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { batches } from '../../src/datasets/batch.js';
import { epochOrder } from '../../src/datasets/rowOrder.js';
import { Trainer } from '../../src/training/trainer.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { tinyData, tinyModel } from '../training/tiny.js';

const { OUT } = process.env;
/** Steps of an epoch, the step behind which the run is left, and the steps that are compared. */
const [perEpoch, left, compared] = [3, 4, 5];
const [batchSize, seed] = [4, 42];
const data = tinyData(perEpoch * batchSize);

const model = () =>
  tinyModel({
    text: {
      vocabSize: 16,
      hiddenSize: 8,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 12,
      hiddenDropoutProb: 0,
      attentionProbsDropoutProb: 0,
    },
    image: { embeddingSize: 4, hiddenSizes: [8, 8, 12, 12], depths: [1, 1, 1, 1] },
  });

/** Goes on with the run in a folder to a step, and returns the losses. */
async function train(outputDir: string, until: number): Promise<number[]> {
  const losses: number[] = [];
  const stop = new AbortController();
  const trainer = new Trainer(await model(), {
    epochs: 4,
    batchSize,
    seed,
    learningRate: 0.01,
    weightDecay: 0.1,
    decay: 'all',
    epsilon: 1e-3, // some gradients are zero but for rounding, by which Adam would step
    schedule: 'constant',
    warmupSteps: 0,
    maxGradNorm: 0,
    groupByLength: false,
    auxiliary: { weight: 0 },
    outputDir,
    resume: true,
    onWarning: () => {},
    onStep: ({ step, loss }) => {
      losses.push(loss!);
      if (step === until) stop.abort(new Error('left'));
    },
  });
  await expect(trainer.fit(data, { signal: stop.signal })).rejects.toThrow('left');
  return losses;
}

test('writes a run that was left, and what staying gives', async () => {
  await useBackend('onnxruntime');
  await train(`${OUT!}/left`, left);
  await cp(`${OUT!}/left`, `${OUT!}/stayed`, { recursive: true });
  const losses = await train(`${OUT!}/stayed`, left + compared);
  expect(losses).toHaveLength(compared);

  const { tokenizer, processor } = await model();
  const inputs: Record<string, tf.Tensor> = { losses: tf.tensor1d(losses) };
  for (let epoch = 0; epoch * perEpoch < left + compared; epoch++) {
    const order = epochOrder(seed, epoch, data.size);
    const how = { batchSize, order, seed, epoch, tokenizer, processor };
    let step = epoch * perEpoch;
    for await (const { size, text, image, labels } of batches(data, how)) {
      step++;
      const { inputIds, attentionMask, length } = text!;
      inputs[`${step}.inputIds`] = tf.tensor2d(inputIds, [size, length], 'int32');
      inputs[`${step}.attentionMask`] = tf.tensor2d(attentionMask, [size, length], 'int32');
      inputs[`${step}.image`] = tf.tensor4d(image!.data, [size, image!.height, image!.width, 3]);
      inputs[`${step}.labels`] = tf.tensor1d(labels, 'int32');
    }
  }
  await writeSafetensors(`${OUT!}/steps.safetensors`, inputs);
});
