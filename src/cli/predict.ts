import { InputError, OnnxModel, writeCsv } from '../index.js';
import type { BertResNetModel, CsvDataset, Mode } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { dataOptions, describeRows, openCsv } from './data.js';
import { engineOptions, startEngine } from './engine.js';
import { choice, flag, integer, number, text } from './options.js';
import type { Option } from './options.js';
import { RowPredictor } from './predictRows.js';
import type { RowOptions } from './predictRows.js';
import { fileFor, loadPredictor, openPredictor, readSettings } from './runFolder.node.js';
import { figure, plural, table } from './table.js';
import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';

/** `0.8`, or `negative=0.9,positive=0.7`. */
const threshold: Option<number | Record<string, number>> = {
  value: 'X|LABEL=X,...',
  help: 'Abstain from answers of a smaller probability: one for all labels, or some of their own',
  read(raw, name) {
    if (raw.trim() !== '' && Number.isFinite(Number(raw))) return Number(raw);
    // A label may hold commas: a pair ends behind its number.
    const pairs = [...raw.matchAll(/(?:^|,)(.+?)=(\d*\.?\d+)(?=,|$)/g)];
    if (pairs.length > 0 && pairs.map(([pair]) => pair).join('') === raw)
      return Object.fromEntries(pairs.map(([, label, value]) => [label!, Number(value)]));
    throw new InputError(`${name} takes a number from 0 to 1, or LABEL=X,LABEL=X; got '${raw}'`);
  },
};

const options = {
  out: text('FILE', 'Where the predictions go (default: predictions-NAME.csv in the run folder)'),
  mode: choice(
    ['text', 'image', 'both'],
    'What every answer rests on (default: what the row has, or the one input that was trained)',
  ),
  batchSize: integer('Rows that are computed at once (default 32)'),
  maxLength: integer('The longest text, in tokens (default: as in training)', 2),
  threshold,
  minimumPrecision: number(
    'Abstain where answers of the label were right less often than this on the rows that the model was calibrated on',
    0,
    1,
  ),
  json: flag('Print what was done as JSON on stdout, and nothing else there'),
  ...dataOptions,
  ...engineOptions,
};

async function run({ positionals, options: given, terminal, signal }: Invocation<typeof options>) {
  const [folder, csv] = positionals as [string, string];
  const found = await openPredictor(folder, 'predict');
  const onBadRow = given.badRows ?? 'missing';
  const rows = await openCsv(csv, given, { label: null, onBadRow });
  describeRows(rows, terminal);
  await startEngine(given, terminal);
  const model = await loadPredictor(found);
  const known = model instanceof OnnxModel ? model.mode : model.trainedMode;
  const { mode = known, batchSize = 32 } = given;
  const maxLength = given.maxLength ?? (await readSettings(found)).maxLength;
  const { threshold: least, minimumPrecision } = given;
  const abstention = { threshold: least, minimumPrecision };
  const how = { mode, maxLength, batchSize, signal, ...abstention };
  await checkAbstention(model, rows, how);
  const predictor = new RowPredictor(model, rows, how);
  const path = given.out ?? fileFor(found, 'predictions', csv, '.csv');
  await writeCsv(path, predictor.columns, predictor.records());
  if (given.json) terminal.out(JSON.stringify(summaryOf(predictor, path), null, 2));
  else answerTable(predictor).forEach((line) => terminal.out(line));
  sayLacking(predictor, terminal);
  terminal.say(`predictions: ${path}`);
  return exitCodes.ok;
}

/** @throws InputError before anything is computed where the model has no such labels, or was not calibrated */
async function checkAbstention(
  model: BertResNetModel | OnnxModel,
  { roles }: CsvDataset,
  { mode, threshold: least, minimumPrecision }: RowOptions,
): Promise<void> {
  await model.predict([], { threshold: least, minimumPrecision });
  if (minimumPrecision === undefined) return;
  const { text: words, image } = roles;
  const possible: Mode[] = words && image ? ['text', 'image', 'both'] : [words ? 'text' : 'image'];
  const needed = mode === undefined ? possible : [mode];
  const lacking = needed.filter((head) => model.calibration?.heads[head] === undefined);
  if (lacking.length === 0) return;
  throw new InputError(
    `predict: --minimum-precision needs a calibrated model, and this one is not for ${lacking.join(', ')}; ` +
      'run bertresnet evaluate RUN test.csv --calibrate val.csv, or give a --threshold',
  );
}

function summaryOf(predictor: RowPredictor, out: string) {
  const { rows, answers, unanswered, unreadable, abstains, abstained } = predictor;
  const { size, skipped: leftOut } = rows;
  return {
    out,
    rows: size,
    leftOut,
    unanswered,
    unreadable,
    predicted: Object.fromEntries(answers),
    ...(abstains && { abstained: Object.fromEntries(abstained) }),
  };
}

function answerTable({ answers, abstains, abstained }: RowPredictor): string[] {
  const all = [...answers.values()].reduce((sum, rows) => sum + rows, 0);
  const share = (rows: number): string => figure(all === 0 ? null : rows / all);
  const lines = [...answers].map(([label, rows]) => {
    const withheld = abstains ? [String(abstained.get(label)!)] : [];
    return [label, String(rows), share(rows), ...withheld];
  });
  const header = ['prediction', 'rows', 'share', ...(abstains ? ['abstained'] : [])];
  return table([header, ...lines]);
}

function sayLacking({ unreadable, unanswered }: RowPredictor, terminal: Terminal): void {
  if (unreadable > 0) terminal.say(`${plural(unreadable, 'picture')} could not be read`);
  if (unanswered > 0) terminal.say(`${plural(unanswered, 'row')} could not be answered`);
}

/** `bertresnet predict`: rows in, the same rows with their prediction out. */
export const predictCommand = defineCommand({
  name: 'predict',
  summary:
    'Predict the labels of rows; one that lacks its text or picture is answered by the other',
  positionals: [
    { name: 'RUN', help: 'The folder that train left, a saved model, or an .onnx file of export' },
    { name: 'CSV', help: 'The rows; a column of labels is not needed, and ignored' },
  ],
  options,
  examples: [
    'predict results/run1 rows.csv --out predictions.csv',
    'predict results/run1 rows.csv --mode text --out predictions.csv',
    'predict results/run1 rows.csv --minimum-precision 0.9',
  ],
  run,
});
