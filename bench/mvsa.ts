/**
 * How good a model gets on posts of a text and a photo: the upper layers of BERT fine-tuned, the layers below and the
 * ResNet frozen, what they say computed once. Mean of some seeds; epochs are chosen on the validation rows; calibration is
 * fitted on one half of these and measured on the other, and the other way round. What was measured is kept, so a bench
 * that is stopped goes on where it was.
 *
 *     DATA=folder TEXT=folder IMAGE=folder npm run bench:mvsa -- [--fusion NAME|JSON | --mode text] [--seeds 1,2,3]
 *         [--epochs N] [--rate 1e-4] [--decay 0.9] [--head-rate 1e-3] [--smoothing 0.1] [--ema 0.99] [--auxiliary 0.5] [--r-drop 2]
 *         [--mixup 0] [--image-swap 0] [--soup 0] [--freeze-epochs 0] [--pooling mean,max,cls] [--image-pooling mean] [--batch 32] [--below N, default 3] [--out folder, default results/fusions] [--threads N]
 *
 * DATA is a folder with train.csv and val.csv (rows of val.csv are left out of the training), TEXT and IMAGE are folders
 * of pretrained encoders. The features in `out` are those of bench:fusions.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { useBackend } from '../src/backends/select.js';
import { CsvDataset } from '../src/datasets/csv.js';
import { BertTokenizer } from '../src/datasets/tokenizer.js';
import { BertEncoder } from '../src/encoders/bert.js';
import type { ImagePooling, Pooling } from '../src/encoders/pooling.js';
import type { FusionConfig } from '../src/fusion/fusion.js';
import { fitTemperature } from '../src/evaluation/temperature.js';
import { BertResNetModel } from '../src/model.js';
import { answerRows } from '../src/training/evaluate.js';
import { expectedCalibrationError, softmaxRows } from '../src/training/metrics.js';
import type { TrainingOptions } from '../src/training/options.js';
import type { ModeAnswers } from '../src/training/rowAnswers.js';
import { Trainer } from '../src/training/trainer.js';
import { Results, mean, percent } from './results.js';
import {
  StoredImage,
  UpperBert,
  maxLength,
  rowProcessor,
  rowTokenizer,
  rowsOf,
  storedFeatures,
} from './storedFeatures.js';

const { values: flags } = parseArgs({
  options: {
    fusion: { type: 'string', default: 'mlp' },
    mode: { type: 'string', default: 'both' },
    seeds: { type: 'string', default: '1,2,3' },
    epochs: { type: 'string', default: '6' },
    rate: { type: 'string', default: '1e-4' },
    'head-rate': { type: 'string', default: '1e-3' },
    below: { type: 'string', default: '3' },
    decay: { type: 'string', default: '0.9' },
    smoothing: { type: 'string', default: '0.1' },
    ema: { type: 'string', default: '0.99' },
    auxiliary: { type: 'string', default: '0.5' },
    'r-drop': { type: 'string', default: '2' },
    mixup: { type: 'string', default: '0' },
    'image-swap': { type: 'string', default: '0' },
    soup: { type: 'string', default: '0' },
    'freeze-epochs': { type: 'string', default: '0' },
    pooling: { type: 'string', default: 'mean,max,cls' },
    'image-pooling': { type: 'string', default: 'mean' },
    batch: { type: 'string', default: '32' },
    out: { type: 'string', default: 'results/fusions' },
    threads: { type: 'string' },
  },
});
const [data, text, image] = ['DATA', 'TEXT', 'IMAGE'].map((name) => {
  const folder = process.env[name];
  if (folder === undefined) throw new Error(`bench: ${name} must name a folder`);
  return folder;
}) as [string, string, string];
const mode = flags.mode === 'text' ? 'text' : 'both';
const below = Number(flags.below);
const out = resolve(flags.out);

/** The recipe: the same for every fusion, and for text alone. */
const recipe: TrainingOptions = {
  mode,
  epochs: Number(flags.epochs),
  batchSize: Number(flags.batch),
  learningRate: Number(flags.rate),
  headLearningRate: Number(flags['head-rate']),
  layerDecay: Number(flags.decay),
  labelSmoothing: Number(flags.smoothing),
  ema: Number(flags.ema),
  rDrop: Number(flags['r-drop']),
  ...(Number(flags.mixup) > 0 && { mixup: Number(flags.mixup) }),
  ...(Number(flags['image-swap']) > 0 && { imageSwap: Number(flags['image-swap']) }),
  ...(Number(flags['freeze-epochs']) > 0 && { freeze: { text: Number(flags['freeze-epochs']) } }),
  ...(Number(flags.soup) > 0 && { soup: Number(flags.soup) }),
  ...(mode === 'both' && { auxiliary: { weight: Number(flags.auxiliary) } }),
  maxLength,
};

const pooling = flags.pooling.split(',') as Pooling[];
const imagePooling = flags['image-pooling'].split(',') as ImagePooling[];
const described = JSON.stringify({ below, pooling, imagePooling, ...recipe });
const fusion = flags.fusion.startsWith('{')
  ? (JSON.parse(flags.fusion) as FusionConfig)
  : flags.fusion;

/** What one run came to, on the validation rows. */
interface Result {
  readonly name: string;
  readonly seed: number;
  readonly recipe: string;
  readonly bestEpoch: number;
  readonly accuracy: number;
  readonly macroF1: number;
  /** By text alone and by the image alone, of the same weights. */
  readonly text?: number;
  readonly image?: number;
  /** Of each epoch, in the mode that is trained. */
  readonly curve: readonly number[];
  readonly ece: number;
  /** With temperatures that were fitted on the other half of the rows. */
  readonly calibratedEce: number;
  readonly temperature: number;
  /** CPU time in seconds. */
  readonly cpu: number;
}

const results = new Results<Result>(join(out, 'mvsa.jsonl'));

const train = await CsvDataset.open(join(data, 'train.csv'), { exclude: 'val.csv' });
const validation = await CsvDataset.open(join(data, 'val.csv'), { labels: train.labels });

/** What does not change from seed to seed. */
async function prepare() {
  const encoder = await BertEncoder.fromPretrained(text, { pooling });
  const tokenizer = await BertTokenizer.fromPretrained(text);
  const splits = [train, validation];
  const stored = await storedFeatures(join(out, 'mvsa.safetensors'), splits, async () =>
    BertResNetModel.create({
      labels: train.labels,
      // as bench:fusions has it, whose file this is as well
      text: await BertEncoder.fromPretrained(text, { pooling: 'mean' }),
      ...{ tokenizer, image },
    }),
  );
  const states = await UpperBert.states(
    join(out, `mvsa-layer${below}.safetensors`),
    splits,
    { encoder, tokenizer },
    below,
  );
  return {
    ...{ encoder, stored, states },
    tokenizer: await rowTokenizer(stored.text.shape[0]),
    train: await rowsOf(train, 0, stored),
    validation: await rowsOf(validation, train.size, stored),
  };
}

type Prepared = Awaited<ReturnType<typeof prepare>>;

async function run(name: string, seed: number, rows: Prepared): Promise<Result> {
  const { encoder, stored, states, tokenizer } = rows;
  const model = new BertResNetModel({
    labels: train.labels,
    text: UpperBert.from(states, encoder, below),
    image: new StoredImage(stored, imagePooling),
    ...{ tokenizer, fusion, seed },
    processor: rowProcessor(),
  });
  const before = process.cpuUsage();
  const curve: number[] = [];
  const history = await new Trainer(model, { ...recipe, seed }).fit(rows.train, {
    validation: rows.validation,
    onEpoch: ({ epoch, loss, validation: figures }) => {
      curve.push(figures!.accuracy!);
      console.error(name, seed, epoch, loss.toFixed(3), JSON.stringify(figures!.modes));
    },
  });
  const { user, system } = process.cpuUsage(before);
  const answers = await answerRows(model, rows.validation, { mode, maxLength });
  const report = answers.report();
  const ofAll = answers.in(mode);
  const result = {
    ...{ name, seed, recipe: described, curve },
    bestEpoch: history.findLast((record) => record.best)!.epoch,
    ...{ accuracy: report.accuracy, macroF1: report.macroF1, ece: report.ece },
    ...{ text: report.modes.text?.accuracy, image: report.modes.image?.accuracy },
    calibratedEce: crossFittedEce(ofAll),
    temperature: fitTemperature(ofAll.labels, scores(ofAll)).temperature,
    cpu: (user + system) / 1e6,
  };
  model.dispose();
  return result;
}

const scores = ({ logits, labels }: Pick<ModeAnswers, 'logits' | 'labels'>) => ({
  values: logits,
  classes: logits.length / labels.length,
});

/** The calibration error of all rows, those of each half with the temperature of the other. */
function crossFittedEce(answers: ModeAnswers): number {
  const { labels, logits } = answers;
  const { classes } = scores(answers);
  const halves = [0, 1].map((half) => {
    const part = {
      labels: labels.filter((_, row) => row % 2 === half),
      logits: logits.filter((_, i) => Math.floor(i / classes) % 2 === half),
    };
    return fitTemperature(part.labels, scores(part)).temperature;
  });
  const scaled = logits.map((logit, i) => logit / halves[1 - (Math.floor(i / classes) % 2)]!);
  return expectedCalibrationError(labels, {
    values: softmaxRows({ values: scaled, classes }),
    classes,
  });
}

await useBackend('onnxruntime', flags.threads ? { threads: Number(flags.threads) } : {});
const name = mode === 'text' ? 'text only' : flags.fusion;
let prepared: Prepared | undefined;
for (const seed of flags.seeds.split(',').map(Number)) {
  const known = { name, seed, recipe: described };
  if (results.having(known).length > 0) continue;
  const result = await run(name, seed, (prepared ??= await prepare()));
  results.add(result);
  console.error(JSON.stringify(result));
}
const groups = new Map<string, Result[]>();
for (const one of results.all) {
  const key = `${one.name} ${one.recipe}`;
  groups.set(key, [...(groups.get(key) ?? []), one]);
}
console.log(
  '| model | seeds | accuracy | macro F1 | text alone | ECE | calibrated | epoch | CPU |',
);
console.log('|---|---|---|---|---|---|---|---|---|');
for (const runs of groups.values()) {
  const of = (field: 'accuracy' | 'macroF1' | 'ece' | 'calibratedEce' | 'cpu'): number[] =>
    runs.map((one) => one[field]);
  const alone = runs.flatMap((one) => (one.text === undefined ? [] : [one.text]));
  const cells = [
    ...[runs[0]!.name, runs.length, percent(of('accuracy')), percent(of('macroF1'))],
    alone.length === 0 ? '' : percent(alone),
    ...[mean(of('ece')).toFixed(3), mean(of('calibratedEce')).toFixed(3)],
    runs.map((one) => one.bestEpoch).join(' '),
    `${mean(of('cpu')).toFixed(0)} s`,
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
