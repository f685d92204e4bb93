/**
 * Rows that lack their text or their picture, on the rows of a CSV, over cached features of frozen encoders:
 *
 * - tested with the text missing in half of the rows: the rows that lack it, answered by a model of text and picture,
 *   beside a model that never saw a text, and the other rows;
 * - trained with a share of the rows lacking one of the two: on all rows, and on the whole rows alone.
 *
 *     DATA=folder TEXT=folder IMAGE=folder npm run bench:missing -- [--seeds N] [--epochs N] [--fusion NAME] [--pooling cls|mean|max]
 *
 * DATA holds train.csv and val.csv (whose rows are left out of the training); TEXT and IMAGE are folders or hub ids of
 * pretrained encoders. Nothing is chosen by the rows tested on: the last epoch counts. Each figure is the mean of the
 * seeds, and the standard deviation between them; a seed also draws anew which rows lack what.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { percent } from './results.js';
import {
  BertEncoder,
  BertResNetModel,
  BertTokenizer,
  CsvDataset,
  Random,
  Subset,
  Trainer,
  useBackend,
} from '../src/index.js';
import type { Dataset, EvaluationReport, Mode, Pooling, TrainerOptions } from '../src/index.js';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    epochs: { type: 'string', default: '20' },
    fusion: { type: 'string', default: 'mlp' },
    pooling: { type: 'string', default: 'mean' },
  },
});
const { DATA: data, TEXT: text, IMAGE: image } = process.env;
if (data === undefined || text === undefined || image === undefined)
  throw new Error('bench: DATA, TEXT and IMAGE must name a folder of rows and two of encoders');
const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);

/** What each row lacks; undefined where it is whole. */
type Lacks = readonly ('text' | 'image' | undefined)[];

/** A share of rows, drawn at random, lacks its text, and another its picture. */
function draw(rows: Dataset, share: { text: number; image: number }, ...key: (string | number)[]) {
  const place = new Random(0, 'lacks', ...key).permutation(rows.size);
  return Array.from(place, (at) => {
    if (at < share.text * rows.size) return 'text';
    return at < (share.text + share.image) * rows.size ? 'image' : undefined;
  });
}

/** The rows without what they are to lack. */
function lacking(rows: Dataset, lacks: Lacks): Dataset {
  const { size, labels, name, onBadRow } = rows;
  return {
    ...{ size, labels, name, onBadRow },
    describe: (position, part) => rows.describe(position, part),
    labelOf: (position) => rows.labelOf!(position),
    examples: async (positions) => {
      const examples = await rows.examples(positions);
      return examples.map((example, i) => {
        const missing = lacks[positions[i]!];
        return missing === undefined ? example : { ...example, [missing]: undefined };
      });
    },
  };
}

/** The rows of which a condition holds. */
function only(rows: Dataset, holds: (position: number) => boolean): Dataset {
  return new Subset(rows, Array.from({ length: rows.size }, (_, i) => i).filter(holds));
}

/** Trains heads on frozen encoders; the figures of the last epoch on the rows to test. */
async function trained(train: Dataset, test: Dataset, seed: number, more: TrainerOptions = {}) {
  const model = await BertResNetModel.create({
    ...{ labels: train.labels, image: image!, fusion: flags.fusion, seed },
    tokenizer: await BertTokenizer.fromPretrained(text!),
    text: await BertEncoder.fromPretrained(text!, { pooling: flags.pooling as Pooling }),
  });
  let report: EvaluationReport | undefined;
  const trainer = new Trainer(model, {
    ...{ epochs: Number(flags.epochs), batchSize: 32, learningRate: 1e-3, seed },
    freeze: { text: true, image: true },
    cacheFeatures: true,
    onEpoch: (_record, validation) => void (report = validation),
    onWarning: () => {},
    ...more,
  });
  await trainer.fit(train, { validation: test });
  model.dispose();
  console.error(`seed ${seed}, ${train.size} rows: ${report!.accuracy}`);
  return report!;
}

/** The figures of every seed, by what they are called. */
const found = new Map<string, number[]>();

function note(name: string, report: EvaluationReport, kinds: readonly (Mode | 'all')[]): void {
  for (const kind of kinds) {
    const value = kind === 'all' ? report.accuracy : report.byPresence?.[kind]?.accuracy;
    const key = `${name} | ${kind}`;
    found.set(key, [...(found.get(key) ?? []), value!]);
  }
}

function show(title: string, columns: readonly string[], names: readonly string[]): void {
  console.log(`\n${title}\n`);
  console.log(`| trained on | ${columns.join(' | ')} |`);
  console.log(`|---|${columns.map(() => '---|').join('')}`);
  for (const name of names) {
    const kinds = ['image', 'text', 'both', 'all'].filter((kind) => found.has(`${name} | ${kind}`));
    const cells = kinds.map((kind) => percent(found.get(`${name} | ${kind}`)!));
    console.log(`| ${name} | ${cells.join(' | ')} |`);
  }
}

/** The text is missing in half of the rows that are tested. */
async function textMissing(train: Dataset, test: Dataset, seed: number): Promise<void> {
  const lacks = draw(test, { text: 0.5, image: 0 }, 'test', seed);
  const tested = lacking(test, lacks);
  const without = only(tested, (position) => lacks[position] === 'text');
  const alone = await trained(train, without, seed, { mode: 'image' });
  found.set('pictures alone | image', [
    ...(found.get('pictures alone | image') ?? []),
    alone.accuracy,
  ]);
  const halved = lacking(train, draw(train, { text: 0.5, image: 0 }, 'train', seed));
  const kinds = ['image', 'both', 'all'] as const;
  note('whole rows', await trained(train, tested, seed), kinds);
  const dropout = { modalityDropout: { text: 0.5 } };
  note('whole rows, modalityDropout', await trained(train, tested, seed, dropout), kinds);
  note('rows of which half lack the text', await trained(halved, tested, seed), kinds);
}

/** A share of the rows lacks the text or the picture, in training and test. */
async function eitherMissing(train: Dataset, test: Dataset, share: number, seed: number) {
  const half = { text: share / 2, image: share / 2 };
  const lacks = draw(train, half, 'train', seed, share);
  const tested = lacking(test, draw(test, half, 'test', seed, share));
  const [all, whole] = [lacking(train, lacks), only(train, (i) => lacks[i] === undefined)];
  const kinds = ['image', 'text', 'both', 'all'] as const;
  const name = (what: string): string => `${100 * share}% lack one: ${what}`;
  note(name('all rows'), await trained(all, tested, seed), kinds);
  const dropout = { modalityDropout: 0.2 };
  note(name('all rows, modalityDropout'), await trained(all, tested, seed, dropout), kinds);
  note(name('the whole rows alone'), await trained(whole, tested, seed), kinds);
}

console.log('computing on', await useBackend('auto'));
const train = await CsvDataset.open(join(data, 'train.csv'), { exclude: 'val.csv' });
const test = await CsvDataset.open(join(data, 'val.csv'), { labels: train.labels });
console.log(`${train.size} rows to train on, ${test.size} to test; ${flags.fusion}`);
for (const seed of seeds) {
  await textMissing(train, test, seed);
  for (const share of [0.3, 0.7]) await eitherMissing(train, test, share, seed);
  console.log(`seed ${seed} is done`);
}
const names = [...new Set([...found.keys()].map((key) => key.split(' | ')[0]!))];
show(
  'Tested with the text missing in half of the rows: accuracy (%) of the rows that have',
  ['a picture only', 'both', 'all rows'],
  names.filter((name) => !name.includes('%')),
);
show(
  'Trained and tested with rows that lack one of the two: accuracy (%) of the rows that have',
  ['a picture only', 'a text only', 'both', 'all rows'],
  names.filter((name) => name.includes('%')),
);
