import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import { writeOnnx } from '../../src/onnx/export.js';
import { OnnxModel } from '../../src/onnx/onnxModel.js';
import { tinyModel } from '../training/tiny.js';
import { expectClose, take } from '../backends.js';

// Where onnxruntime-node could not be installed, exported models run on ONNX Runtime's WebAssembly build.
process.env['BERTRESNET_ONNXRUNTIME'] = 'wasm';

afterAll(() => {
  delete process.env['BERTRESNET_ONNXRUNTIME'];
});

test('an exported model runs on the WebAssembly build, its weights beside it or within', async () => {
  await useBackend('cpu');
  const folder = await mkdtemp(join(tmpdir(), 'onnx-'));
  const model = await tinyModel({ fusion: 'cnn' });
  const inputIds = tf.tensor2d([5, 6, 7, 1, 2, 3], [2, 3], 'int32');
  const image = tf.randomNormal<tf.Rank.R4>([2, 8, 8, 3], 0, 1, 'float32', 1);
  const expected = await take(model.forward({ text: { inputIds }, image }));
  const path = join(folder, 'model.onnx');
  for (const [limit, files] of [
    [Infinity, 1],
    [100, 2],
  ] as const) {
    expect(await writeOnnx(model, path, {}, limit)).toHaveLength(files);
    const exported = await OnnxModel.fromPretrained(path, { threads: 1 });
    const logits = await exported.forward({ text: { inputIds }, image });
    expectClose(await take(logits), expected, { relative: 1e-5 });
    await exported.dispose();
  }
  tf.dispose([inputIds, image]);
  model.dispose();
  await rm(folder, { recursive: true });
});
