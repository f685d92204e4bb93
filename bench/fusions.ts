/**
 * All fusions on the features of frozen encoders, mean of some seeds: accuracy, parameters and time, as the table in
 * docs/fusions.md. What was measured is kept, so a bench that is stopped goes on where it was.
 *
 *     DATA=folder TEXT=folder IMAGE=folder npm run bench:fusions -- [--data mvsa,emoji] [--only mlp,late] [--seeds N]
 *         [--epochs N] [--rates 1e-3,3e-3] [--out folder, default results/fusions] [--threads N]
 *
 * DATA is a folder with train.csv and val.csv (rows of val.csv are left out of the training), TEXT and IMAGE are folders
 * of pretrained encoders. The emoji are those of the example, seen by the same encoders.
 */
import * as tf from '@tensorflow/tfjs-core';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { useBackend } from '../src/backends/select.js';
import { CsvDataset } from '../src/datasets/csv.js';
import type { Dataset } from '../src/datasets/example.js';
import { BertTokenizer } from '../src/datasets/tokenizer.js';
import { fusionTypes } from '../src/fusion/index.js';
import { BertEncoder } from '../src/encoders/bert.js';
import type { TextEncoder } from '../src/encoders/encoder.js';
import { BertResNetModel } from '../src/model.js';
import { evaluate } from '../src/training/evaluate.js';
import type { EvaluationReport } from '../src/training/evaluate.js';
import { Trainer } from '../src/training/trainer.js';
import { buildEmojiData } from '../examples/emoji/build-data.js';
import { Results, mean, percent } from './results.js';
import {
  StoredImage,
  StoredText,
  UpperBert,
  maxLength,
  rowProcessor,
  rowTokenizer,
  rowsOf,
  storedFeatures,
} from './storedFeatures.js';
import type { Stored } from './storedFeatures.js';

const { values: flags } = parseArgs({
  options: {
    data: { type: 'string', default: 'mvsa,emoji' },
    only: { type: 'string' },
    seeds: { type: 'string', default: '3' },
    epochs: { type: 'string', default: '10' },
    rates: { type: 'string', default: '3e-4,1e-3,3e-3' },
    out: { type: 'string', default: 'results/fusions' },
    threads: { type: 'string' },
    table: { type: 'boolean', default: false },
  },
});
const { DATA, TEXT, IMAGE } = process.env;
const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);
const rates = flags.rates.split(',').map(Number);
const epochs = Number(flags.epochs);
const out = resolve(flags.out);

const wanted = flags.only?.split(',') ?? fusionTypes();

/** What one run came to. */
interface Result {
  readonly data: string;
  readonly fusion: string;
  readonly rate: number;
  readonly epochs: number;
  readonly seed: number;
  /** Of the best epoch on the validation rows, by accuracy. */
  readonly accuracy: number;
  readonly macroF1: number;
  readonly text: number;
  readonly image: number;
  readonly bestEpoch: number;
  /** On rows that chose nothing, where there are any. */
  readonly test?: number;
  /** Behind the encoders, the heads of text alone and image alone included. */
  readonly parameters: number;
  /** CPU time of the run, compilation and validation included, in seconds. */
  readonly cpu: number;
}

interface Rows {
  readonly name: string;
  readonly train: Dataset;
  readonly validation: Dataset;
  readonly test?: Dataset;
  readonly stored: Stored;
  /** Frozen BERT behind its embeddings, which are looked up: for `mmbt`, which runs it. */
  readonly bert: () => Promise<TextEncoder>;
}

const results = new Results<Result>(join(out, 'fusions.jsonl'));

/** The splits of a data set, and what the encoders said of them. */
async function open(name: string): Promise<Rows> {
  const splits = name === 'mvsa' ? await mvsa() : await emoji();
  const encoder = (): Promise<BertEncoder> =>
    BertEncoder.fromPretrained(folder(TEXT, 'TEXT'), { pooling: 'mean' });
  const tokenizer = (): Promise<BertTokenizer> =>
    BertTokenizer.fromPretrained(folder(TEXT, 'TEXT'));
  const stored = await storedFeatures(join(out, `${name}.safetensors`), splits, async () =>
    BertResNetModel.create({
      labels: splits[0]!.labels,
      text: await encoder(),
      image: folder(IMAGE, 'IMAGE'),
      tokenizer: await tokenizer(),
    }),
  );
  const readBert = async () => {
    const whole = { encoder: await encoder(), tokenizer: await tokenizer() };
    const path = join(out, `${name}-layer0.safetensors`);
    return { encoder: whole.encoder, states: await UpperBert.states(path, splits, whole, 0) };
  };
  let read: ReturnType<typeof readBert> | undefined;
  const bert = async (): Promise<TextEncoder> => {
    const whole = await (read ??= readBert());
    const upper = UpperBert.from(whole.states, whole.encoder, 0);
    upper.frozen = true;
    return upper;
  };
  let first = 0;
  const named: Dataset[] = [];
  for (const split of splits) {
    named.push(await rowsOf(split, first, stored));
    first += split.size;
  }
  const [train, validation, test] = named;
  return { name, train: train!, validation: validation!, test, stored, bert };
}

async function mvsa(): Promise<Dataset[]> {
  const at = (file: string): string => join(folder(DATA, 'DATA'), file);
  const train = await CsvDataset.open(at('train.csv'), { exclude: 'val.csv' });
  return [train, await CsvDataset.open(at('val.csv'), { labels: train.labels })];
}

async function emoji(): Promise<Dataset[]> {
  const at = await buildEmojiData(join(out, 'emoji'));
  const train = await CsvDataset.open(join(at, 'train.csv'));
  const rest = ['val', 'test'].map((split) =>
    CsvDataset.open(join(at, `${split}.csv`), { labels: train.labels }),
  );
  return [train, ...(await Promise.all(rest))];
}

function folder(path: string | undefined, name: string): string {
  if (path !== undefined) return path;
  throw new Error(`bench: ${name} must name a folder; see the head of bench/fusions.ts`);
}

async function run(rows: Rows, fusion: string, rate: number, seed: number): Promise<Result> {
  const { name, train, validation, test, stored } = rows;
  const model = new BertResNetModel({
    labels: train.labels,
    text: fusion === 'mmbt' ? await rows.bert() : new StoredText(stored),
    image: new StoredImage(stored),
    tokenizer: await rowTokenizer(stored.text.shape[0]),
    processor: rowProcessor(),
    fusion,
    seed,
  });
  try {
    const before = process.cpuUsage();
    let best: EvaluationReport | undefined;
    const trainer = new Trainer(model, {
      epochs,
      batchSize: 64,
      learningRate: rate,
      maxLength,
      seed,
    });
    const history = await trainer.fit(train, {
      validation,
      onEpoch: (record, report) => {
        if (record.best) best = report;
      },
    });
    const { user, system } = process.cpuUsage(before);
    const { accuracy, macroF1, modes } = best!;
    const parameters = [...model.trainableParameters().values()];
    return {
      ...{ data: name, fusion, rate, epochs, seed, accuracy, macroF1 },
      ...{ text: modes.text!.accuracy, image: modes.image!.accuracy },
      bestEpoch: history.findLast((record) => record.best)!.epoch,
      ...(test && { test: (await evaluate(model, test, { batchSize: 256 })).accuracy }),
      parameters: parameters.reduce((sum, { size }) => sum + size, 0),
      cpu: (user + system) / 1e6,
    };
  } finally {
    model.dispose();
  }
}

/** The rate whose seeds have the best mean on the validation rows, and its runs. */
function bestOf(data: string, fusion: string): Result[] {
  const byRate = rates.map((rate) => results.having({ data, fusion, rate, epochs }));
  const complete = byRate.filter((runs) => runs.length > 0);
  return complete.sort((a, b) => accuracyOf(b) - accuracyOf(a))[0] ?? [];
}

const accuracyOf = (runs: readonly Result[]): number => mean(runs.map((one) => one.accuracy));

/** What a table says of the runs of one data set. */
function cells(runs: readonly Result[]): string[] {
  const of = (field: 'accuracy' | 'macroF1' | 'cpu'): number[] => runs.map((one) => one[field]);
  const tests = runs.flatMap(({ test }) => (test === undefined ? [] : [test]));
  return [
    percent(of('accuracy')),
    ...(tests.length === 0 ? [percent(of('macroF1'))] : [percent(tests)]),
    String(runs[0]!.rate),
    `${(runs[0]!.parameters / 1000).toFixed(0)} k`,
    `${mean(of('cpu')).toFixed(0)} s`,
  ];
}

/** The lines of a data set's table, the best first. */
function table(data: string): string[] {
  const rows = fusionTypes().flatMap((fusion) => {
    const runs = bestOf(data, fusion);
    return runs.length === 0 ? [] : [{ fusion, runs, accuracy: accuracyOf(runs) }];
  });
  return rows
    .sort((a, b) => b.accuracy - a.accuracy)
    .map(({ fusion, runs }) => `| \`${fusion}\` | ${cells(runs).join(' | ')} | ${runs.length} |`);
}

if (!flags.table) {
  await useBackend('onnxruntime', flags.threads ? { threads: Number(flags.threads) } : {});
  for (const name of flags.data.split(',')) {
    const rows = await open(name);
    for (const seed of seeds)
      for (const rate of rates)
        for (const fusion of wanted) {
          if (results.having({ data: name, fusion, rate, epochs, seed }).length > 0) continue;
          const result = await run(rows, fusion, rate, seed);
          results.add(result);
          const { accuracy, test, cpu } = result;
          console.error(name, fusion, rate, seed, accuracy, test ?? '', `${cpu.toFixed(1)} s`);
        }
    tf.dispose(Object.values(rows.stored) as tf.Tensor[]);
  }
}
for (const data of flags.data.split(',')) {
  const figures = data === 'mvsa' ? ['macro F1'] : ['test'];
  const head = ['`fusion`', 'validation', ...figures, 'rate', 'parameters', 'CPU', 'runs'];
  const lines = [head.join(' | '), head.map(() => '---').join('|')].map((line) => `| ${line} |`);
  console.log([`\n${data}\n`, ...lines, ...table(data)].join('\n'));
}
