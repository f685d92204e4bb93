import { InputError, messageOf, writeCsv } from '../index.js';
import type { BertResNetModel, CsvDataset, Example, Prediction } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { dataOptions, describeRows, openCsv } from './data.js';
import { engineOptions, startEngine } from './engine.js';
import { choice, flag, integer, text } from './options.js';
import { fileFor, loadModel, openRun, readSettings } from './runFolder.node.js';
import { figure, plural, table } from './table.js';
import { exitCodes } from './terminal.js';

const options = {
  out: text('FILE', 'Where the predictions go (default: predictions-NAME.csv in the run folder)'),
  mode: choice(['text', 'image', 'both'], 'What every answer rests on (default: what the row has)'),
  batchSize: integer('Rows that are computed at once (default 32)'),
  maxLength: integer('The longest text, in tokens (default: as in training)'),
  json: flag('Print what was done as JSON on stdout, and nothing else there'),
  ...dataOptions,
  ...engineOptions,
};

type Mode = 'text' | 'image' | 'both';

/** What rows are predicted with. */
interface Predictor {
  readonly model: BertResNetModel;
  readonly rows: CsvDataset;
  readonly mode?: Mode;
  readonly maxLength?: number;
  readonly batchSize: number;
  readonly signal: AbortSignal;
  /** Counts the answers by label, and the rows whose picture could not be read. */
  readonly tally: Tally;
}

interface Tally {
  readonly answers: Map<string, number>;
  unreadable: number;
}

async function run({ positionals, options: given, terminal, signal }: Invocation<typeof options>) {
  const [folder, csv] = positionals as [string, string];
  const found = await openRun(folder, 'predict');
  const model = await loadModel(found);
  const onBadRow = given.badRows ?? 'missing';
  const rows = await openCsv(csv, given, { label: null, onBadRow });
  describeRows(rows, terminal);
  await startEngine(given, terminal);
  const { mode, batchSize = 32 } = given;
  const maxLength = given.maxLength ?? (await readSettings(found)).maxLength;
  const tally: Tally = { answers: new Map(model.labels.map((label) => [label, 0])), unreadable: 0 };
  const predictor = { model, rows, mode, maxLength, batchSize, signal, tally };
  const path = given.out ?? fileFor(found, 'predictions', csv, '.csv');
  const kept = keptColumns(rows, model.labels);
  const columns = [...kept.map((c) => rows.columns[c]!), ...addedColumns(model.labels)];
  await writeCsv(path, columns, predictions(predictor, kept));
  const predicted = Object.fromEntries(tally.answers);
  const summary = { out: path, rows: rows.size, leftOut: rows.skipped, predicted };
  if (given.json) terminal.out(JSON.stringify(summary, null, 2));
  else summaryLines(tally).forEach((line) => terminal.out(line));
  if (tally.unreadable > 0)
    terminal.say(`${plural(tally.unreadable, 'picture')} could not be read`);
  terminal.say(`predictions: ${path}`);
  return exitCodes.ok;
}

function addedColumns(labels: readonly string[]): string[] {
  return ['prediction', 'probability', ...labels.map((label) => `probability_${label}`)];
}

/** The columns that came in, less those of an earlier prediction. */
function keptColumns(rows: CsvDataset, labels: readonly string[]): number[] {
  const added = new Set(addedColumns(labels));
  return rows.columns.flatMap((name, c) => (added.has(name) ? [] : [c]));
}

/** The rows of predictions.csv, made a batch at a time. */
async function* predictions(predictor: Predictor, kept: readonly number[]) {
  const { model, rows, batchSize, signal, tally } = predictor;
  for (let start = 0; start < rows.size; start += batchSize) {
    signal.throwIfAborted();
    const positions = Array.from(
      { length: Math.min(batchSize, rows.size - start) },
      (_, i) => start + i,
    );
    const [cells, answers] = await Promise.all([
      rows.rows(positions),
      answer(predictor, positions),
    ]);
    for (const [i, given] of answers.entries()) {
      const before = kept.map((c) => cells[i]![c]);
      if (given === undefined) yield [...before, ...addedColumns(model.labels).map(() => null)];
      else {
        tally.answers.set(given.label, tally.answers.get(given.label)! + 1);
        const each = model.labels.map((label) => given.probabilities[label]!);
        yield [...before, given.label, ...[given.probability, ...each].map(asWritten)];
      }
    }
  }
}

/** The answers to some rows; undefined to a row that the policy for bad rows leaves unanswered. */
async function answer(
  predictor: Predictor,
  positions: readonly number[],
): Promise<(Prediction | undefined)[]> {
  const { model, rows, mode, maxLength, batchSize } = predictor;
  const examples = await rows.examples(positions);
  const inputs = examples.map(({ text: words, image }) => ({ text: words, image }));
  try {
    return await model.predict(inputs, { mode, maxLength, batchSize });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
  // One of them cannot be read: each is tried on its own, so that the error names it.
  const answers: (Prediction | undefined)[] = [];
  for (const [i, example] of examples.entries()) {
    answers.push(await answerOne(predictor, positions[i]!, example));
  }
  return answers;
}

async function answerOne(
  predictor: Predictor,
  position: number,
  example: Example,
): Promise<Prediction | undefined> {
  const { model, rows, mode, maxLength, tally } = predictor;
  const predict = async ({ text: words, image }: Example): Promise<Prediction | undefined> =>
    (await model.predict([{ text: words, image }], { mode, maxLength }))[0];
  try {
    return await predict(example);
  } catch (error) {
    if (!(error instanceof InputError) || rows.onBadRow === 'error' || !('image' in example)) {
      throw new InputError(`${rows.describe(position)}: ${messageOf(error)}`);
    }
    tally.unreadable++;
    const alone = rows.onBadRow === 'missing' && mode === undefined && example.text !== undefined;
    return alone ? predict({ text: example.text }) : undefined;
  }
}

/** Seven digits: what a 32-bit float holds. */
function asWritten(probability: number): number {
  return Number(probability.toPrecision(7));
}

function summaryLines({ answers }: Tally): string[] {
  const all = [...answers.values()].reduce((sum, rows) => sum + rows, 0);
  const lines = [...answers].map(([label, rows]) => [
    label,
    String(rows),
    figure(rows / (all || 1)),
  ]);
  return table([['prediction', 'rows', 'share'], ...lines]);
}

/** `bertresnet predict`: rows in, the same rows with their prediction out. */
export const predictCommand = defineCommand({
  name: 'predict',
  summary:
    'Predict the labels of rows; a row that lacks its text or picture is answered by the other',
  positionals: [
    { name: 'RUN', help: 'The folder that train left, or a saved model' },
    { name: 'CSV', help: 'The rows; a column of labels is not needed, and ignored' },
  ],
  options,
  examples: [
    'predict results/run1 rows.csv --out predictions.csv',
    'predict results/run1 rows.csv --mode text --out predictions.csv',
  ],
  run,
});
