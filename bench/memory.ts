/**
 * The peak of resident memory in training BERT-base and ResNet-50 (64 tokens, 224 x 224), with and without gradient
 * checkpointing, each in a process of its own: two steps of `Trainer` with its defaults. The first step compiles.
 *
 *     npm run bench:memory -- [batch size, default 32] [with|without]
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findBackend } from '@tensorflow/tfjs-core';
import type { OnnxRuntimeBackend } from '../src/backends/onnxruntime/backend.js';
import { datasetFrom } from '../src/datasets/exampleDataset.js';
import type { LabelledExample } from '../src/datasets/exampleDataset.js';
import {
  BertResNetModel,
  BertTokenizer,
  ImageProcessor,
  Trainer,
  useBackend,
} from '../src/index.js';

const length = 64;
const pixels = 224;
const vocabSize = 30522;
const labels = ['negative', 'neutral', 'positive'];
const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const words = Array.from({ length: vocabSize - special.length }, (_, i) => `w${i}`);

const [batchSize = '32', side] = process.argv.slice(2);
if (side === undefined) ['without', 'with'].forEach(runAlone);
else await train(Number(batchSize), side === 'with');

function runAlone(side: string): void {
  const child = [fileURLToPath(import.meta.url), batchSize, side];
  const { status } = spawnSync(process.execPath, child, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

async function train(batchSize: number, gradientCheckpointing: boolean): Promise<void> {
  await useBackend('onnxruntime');
  const { stats } = (findBackend('onnxruntime') as OnnxRuntimeBackend).executor;
  const model = new BertResNetModel({
    labels,
    tokenizer: await BertTokenizer.fromVocab([...special, ...words]),
    processor: new ImageProcessor({ size: { height: pixels, width: pixels }, cropSize: pixels }),
  });
  const rows = Array.from({ length: 2 * batchSize }, (_, i) => example(i));
  const trainer = new Trainer(model, { epochs: 1, batchSize, gradientCheckpointing });
  console.log(`batch ${batchSize}, ${gradientCheckpointing ? 'with' : 'without'} checkpointing:`);
  let last = performance.now();
  await trainer.fit(datasetFrom(rows, { labels, name: 'generated' }), {
    onStep: ({ step, loss }) => {
      const seconds = (performance.now() - last) / 1e3;
      console.log(`  step ${step}: loss ${loss!.toFixed(4)}, ${seconds.toFixed(1)} s`);
      last = performance.now();
    },
  });
  const peak = (process.resourceUsage().maxRSS * 1024) / 1e9;
  console.log(`  peak resident memory ${peak.toFixed(2)} GB, ${stats.compilations} programs`);
}

/** A text of `length` tokens and a picture. */
function example(index: number): LabelledExample {
  const text = Array.from(
    { length: length - 2 },
    (_, i) => words[(index * 7919 + i * 104729) % words.length],
  );
  const data = new Uint8Array(pixels * pixels * 4);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31 + index * 17) % 251;
  const image = { data, width: pixels, height: pixels };
  return { text: text.join(' '), image, label: labels[index % labels.length]! };
}
