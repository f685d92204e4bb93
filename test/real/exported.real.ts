// What toOnnx writes of real weights runs in Python's onnxruntime with equal numbers:
//
//     TEXT=FOLDER IMAGE=FOLDER OUT=FOLDER npm run test:real exported
//     python test/real/exported.py FOLDER
import { mkdir } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { BertEncoder } from '../../src/encoders/bert.js';
import { modes } from '../../src/fusion/fusion.js';
import { BertResNetModel } from '../../src/model.js';
import { writeOnnx } from '../../src/onnx/export.js';
import { OnnxModel } from '../../src/onnx/onnxModel.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';

const { TEXT, IMAGE, OUT } = process.env;
const sizes = [
  [1, 1],
  [1, 17],
  [3, 64],
  [5, 200],
] as const;

beforeAll(async () => {
  await useBackend('onnxruntime');
  await mkdir(OUT!, { recursive: true });
});

test.each([
  ['attention', 'cls'],
  ['cnn', 'mean'],
] as const)(
  'writes models with the fusion %s, pooling %s, and their logits',
  async (fusion, pooling) => {
    const model = await BertResNetModel.create({
      labels: ['negative', 'neutral', 'positive'],
      text: await BertEncoder.fromPretrained(TEXT!, { pooling }),
      tokenizer: await BertTokenizer.fromPretrained(TEXT!),
      image: IMAGE!,
      fusion,
    });
    for (const mode of modes) {
      const name = `${OUT!}/${fusion}-${mode}`;
      await model.toOnnx(`${name}.onnx`, { mode });
      const exported = await OnnxModel.fromPretrained(`${name}.onnx`);
      for (const [batch, length] of sizes) {
        const inputs = await inputsOf(model, batch, length);
        const logits = model.forward(inputs, { mode });
        const again = await exported.forward(inputs);
        const difference = tf.max(tf.abs(tf.sub(logits, again)));
        expect((await difference.data())[0]).toBeLessThan(1e-4);
        await writeSafetensors(`${name}-${batch}x${length}.safetensors`, {
          ...inputs.text,
          image: inputs.image,
          logits,
        });
        tf.dispose([{ ...inputs.text }, inputs.image, logits, again, difference]);
      }
      await exported.dispose();
    }
    // The limit at which weights leave the file is lowered.
    await writeOnnx(model, `${OUT!}/${fusion}-outside.onnx`, {}, 1000);
    model.dispose();
  },
);

/** Some ids and pixels; the last rows are padded. */
async function inputsOf(model: BertResNetModel, batch: number, length: number) {
  const { vocabSize } = (model.textEncoder as BertEncoder).config;
  const { height, width } = model.processor!.size;
  const inputIds = tf.randomUniform<tf.Rank.R2>([batch, length], 0, vocabSize, 'int32', 1);
  const mask = Int32Array.from({ length: batch * length }, (_, i) => {
    return i % length <= length / (1 + Math.floor(i / length)) ? 1 : 0;
  });
  const attentionMask = tf.tensor2d(mask, [batch, length], 'int32');
  const tokenTypeIds = tf.zeros<tf.Rank.R2>([batch, length], 'int32');
  const image = tf.randomNormal<tf.Rank.R4>([batch, height, width, 3], 0, 1, 'float32', 7);
  return { text: { inputIds, attentionMask, tokenTypeIds }, image };
}
