import { env } from '@huggingface/transformers';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../../src/backends/select.js';
import {
  TransformersImageEncoder,
  TransformersTextEncoder,
} from '../../../src/encoders/transformers.js';
import { BertResNetModel } from '../../../src/model.js';
import type { Prediction } from '../../../src/predict.js';
import { evaluate } from '../../../src/training/evaluate.js';
import { Trainer } from '../../../src/training/trainer.js';
import { labels, tinyData, tinyRows } from '../../training/tiny.js';

// Models and the files of ONNX Runtime come from the page's own server: nothing is fetched from elsewhere.
env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = './models/';
const files = new URL('./transformers-wasm/ort-wasm-simd-threaded.asyncify', location.href).href;
env.backends.onnx.wasm!.wasmPaths = { wasm: `${files}.wasm`, mjs: `${files}.mjs` };

const encoders = async () => ({
  text: await TransformersTextEncoder.fromPretrained('text'),
  image: await TransformersImageEncoder.fromPretrained('image'),
});

/** The features of texts and pictures. */
export async function features(): Promise<{ text: number[]; image: number[] }> {
  await useBackend('cpu');
  const { text, image } = await encoders();
  const rows = tinyRows(5, 7);
  const read = await Promise.all(rows.map((row) => image.readImage(row.image!)));
  const found = {
    text: [...(await text.extractTexts(rows.map((row) => row.text!)))],
    image: [...(await image.extractImages(read))],
  };
  text.dispose();
  image.dispose();
  return found;
}

/** A fusion trained on both, its accuracy, what the saved model answers, and the tensors left behind. */
export async function train(): Promise<{
  accuracy: number;
  answers: [Prediction[], Prediction[]];
  left: number;
}> {
  await useBackend('cpu');
  const before = tf.memory().numTensors;
  const model = new BertResNetModel({ ...(await encoders()), labels, hiddenSize: 8 });
  const trainer = new Trainer(model, { epochs: 6, batchSize: 4, learningRate: 0.02 });
  await trainer.fit(tinyData(18));
  const { accuracy } = await evaluate(model, tinyData(9, 2));
  const rows = tinyRows(4, 5);
  const own = await model.predict(rows);
  await model.save('saved/model');
  const loaded = await BertResNetModel.fromPretrained('saved/model');
  const answers: [Prediction[], Prediction[]] = [own, await loaded.predict(rows)];
  model.dispose();
  loaded.dispose();
  return { accuracy, answers, left: tf.memory().numTensors - before };
}
