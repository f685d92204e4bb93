import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import {
  TransformersImageEncoder,
  TransformersTextEncoder,
} from '../../src/encoders/transformers.js';
import type { Prediction } from '../../src/predict.js';
import { expectClose } from '../backends.js';
import { writeImageModel, writeTextModel } from '../encoders/tinyOnnx.js';
import { tinyRows } from '../training/tiny.js';
import { describePage } from './chromium.js';

const models = await mkdtemp(join(tmpdir(), 'transformers-'));
await writeTextModel(join(models, 'text'));
await writeImageModel(join(models, 'image'));
afterAll(() => rm(models, { recursive: true }));

// The package has an ONNX Runtime of its own.
const wasm = fileURLToPath(
  new URL(
    '../../node_modules/@huggingface/transformers/node_modules/onnxruntime-web/dist',
    import.meta.url,
  ),
);

describePage(
  'transformers',
  'encoders that @huggingface/transformers runs',
  (page) => {
    test('have the features that they have in Node', async () => {
      await useBackend('cpu');
      const text = await TransformersTextEncoder.fromPretrained(join(models, 'text'));
      const image = await TransformersImageEncoder.fromPretrained(join(models, 'image'));
      const rows = tinyRows(5, 7);
      const read = await Promise.all(rows.map((row) => image.readImage(row.image!)));
      const found = await page().call<{ text: number[]; image: number[] }>('features');
      const texts = await text.extractTexts(rows.map((row) => row.text!));
      expectClose(found.text, texts, { relative: 1e-5 });
      expectClose(found.image, await image.extractImages(read), { relative: 1e-5 });
      text.dispose();
      image.dispose();
    });

    test('train a fusion, and are found again by a saved model', async () => {
      const trained = await page().call<{
        accuracy: number;
        answers: [Prediction[], Prediction[]];
        left: number;
      }>('train');
      expect(trained.accuracy).toBeGreaterThan(0.6);
      expect(trained.answers[1]).toEqual(trained.answers[0]);
      expect(trained.left).toBe(0);
    });
  },
  { more: { '/models/': models, '/transformers-wasm/': wasm } },
);
