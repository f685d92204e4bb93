/**
 * What the trainer's defaults for random weights rest on: the example's emoji, a small model with the default fusion,
 * trained by the defaults and by each of some changes to them. Of the validation rows; the test rows are not looked at. What was measured is kept, so a
 * bench that is stopped goes on where it was.
 *
 *     npm run bench:defaults -- [--epochs N, default 30] [--seeds 1,2,3] [--only NAME,...] [--out folder, default results/defaults]
 *
 * Those for pretrained encoders are bench:mvsa's, whose flags are the options.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildEmojiData } from '../examples/emoji/build-data.js';
import { useBackend } from '../src/backends/select.js';
import { CsvDataset } from '../src/datasets/csv.js';
import { ImageProcessor } from '../src/datasets/image.js';
import { BertTokenizer } from '../src/datasets/tokenizer.js';
import { BertResNetModel } from '../src/model.js';
import { defaultsFor } from '../src/training/defaults.js';
import type { TrainingOptions } from '../src/training/options.js';
import { Trainer } from '../src/training/trainer.js';
import { Results, mean, percent } from './results.js';

const { values: flags } = parseArgs({
  options: {
    epochs: { type: 'string', default: '30' },
    seeds: { type: 'string', default: '1,2,3' },
    only: { type: 'string' },
    out: { type: 'string', default: 'results/defaults' },
  },
});
const epochs = Number(flags.epochs);

/** What is changed of the defaults: one thing at a time. */
const changes: Readonly<Record<string, TrainingOptions>> = {
  'the defaults': {},
  'rate 3e-4': { learningRate: 3e-4 },
  'rate 3e-3': { learningRate: 3e-3 },
  'no average': { ema: 0 },
  'no warm-up': { warmupRatio: 0 },
  linear: { schedule: 'linear' },
};

/** What one run came to, on the validation rows, in the epoch of the smallest loss. */
interface Result {
  readonly name: string;
  readonly epochs: number;
  readonly seed: number;
  readonly epoch: number;
  readonly accuracy: number;
  readonly macroF1: number;
  readonly loss: number;
}

const folder = await buildEmojiData();
const train = await CsvDataset.open(join(folder, 'train.csv'));
const validation = await CsvDataset.open(join(folder, 'val.csv'), { labels: train.labels });

/** BERT-tiny and a ResNet like the example's, with the default fusion. */
async function emojiModel(seed: number): Promise<BertResNetModel> {
  return new BertResNetModel({
    labels: train.labels,
    text: 'bert-tiny',
    image: {
      embeddingSize: 32,
      hiddenSizes: [32, 64, 128, 256],
      depths: [2, 2, 2, 2],
      layerType: 'basic',
    },
    tokenizer: await BertTokenizer.fromPretrained(folder),
    processor: new ImageProcessor({ size: { height: 64, width: 64 }, doCenterCrop: false }),
    seed,
  });
}

async function run(name: string, seed: number): Promise<Result> {
  const model = await emojiModel(seed);
  const options = {
    ...{ ...defaultsFor(model, {}), ...changes[name] },
    ...{ epochs, seed, batchSize: 64, maxLength: 40 },
  };
  const history = await new Trainer(model, { ...options, monitor: 'loss' }).fit(train, {
    validation,
  });
  model.dispose();
  const best = history.findLast((record) => record.best)!;
  const { accuracy, macroF1, loss } = best.validation!;
  return {
    ...{ name, epochs, seed, epoch: best.epoch },
    ...{ accuracy: accuracy!, macroF1: macroF1!, loss: loss! },
  };
}

await useBackend('onnxruntime');
const results = new Results<Result>(join(resolve(flags.out), 'emoji.jsonl'));
const names = flags.only?.split(',') ?? Object.keys(changes);
for (const seed of flags.seeds.split(',').map(Number))
  for (const name of names) {
    if (results.having({ name, epochs, seed }).length > 0) continue;
    const result = await run(name, seed);
    results.add(result);
    console.error(JSON.stringify(result));
  }
console.log(`| ${epochs} epochs | loss | accuracy | macro F1 | best epoch | runs |`);
console.log('|---|---|---|---|---|---|');
for (const name of names) {
  const runs = results.having({ name, epochs });
  const of = (field: 'loss' | 'accuracy' | 'macroF1') => runs.map((one) => one[field]);
  const cells = [
    ...[name, mean(of('loss')).toFixed(3), percent(of('accuracy')), percent(of('macroF1'))],
    ...[runs.map((one) => one.epoch).join(' '), runs.length],
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
