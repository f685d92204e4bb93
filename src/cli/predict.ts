import { OnnxModel, writeCsv } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { dataOptions, describeRows, openCsv } from './data.js';
import { engineOptions, startEngine } from './engine.js';
import { choice, flag, integer, text } from './options.js';
import { RowPredictor } from './predictRows.js';
import { fileFor, loadPredictor, openPredictor, readSettings } from './runFolder.node.js';
import { figure, plural, table } from './table.js';
import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';

const options = {
  out: text('FILE', 'Where the predictions go (default: predictions-NAME.csv in the run folder)'),
  mode: choice(['text', 'image', 'both'], 'What every answer rests on (default: what the row has)'),
  batchSize: integer('Rows that are computed at once (default 32)'),
  maxLength: integer('The longest text, in tokens (default: as in training)', 2),
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
  const { mode = model instanceof OnnxModel ? model.mode : undefined, batchSize = 32 } = given;
  const maxLength = given.maxLength ?? (await readSettings(found)).maxLength;
  const predictor = new RowPredictor(model, rows, { mode, maxLength, batchSize, signal });
  const path = given.out ?? fileFor(found, 'predictions', csv, '.csv');
  await writeCsv(path, predictor.columns, predictor.records());
  if (given.json) terminal.out(JSON.stringify(summaryOf(predictor, path), null, 2));
  else answerTable(predictor).forEach((line) => terminal.out(line));
  sayLacking(predictor, terminal);
  terminal.say(`predictions: ${path}`);
  return exitCodes.ok;
}

function summaryOf({ rows, answers, unanswered, unreadable }: RowPredictor, out: string) {
  const { size, skipped: leftOut } = rows;
  return {
    out,
    rows: size,
    leftOut,
    unanswered,
    unreadable,
    predicted: Object.fromEntries(answers),
  };
}

function answerTable({ answers }: RowPredictor): string[] {
  const all = [...answers.values()].reduce((sum, rows) => sum + rows, 0);
  const share = (rows: number): string => figure(all === 0 ? null : rows / all);
  const lines = [...answers].map(([label, rows]) => [label, String(rows), share(rows)]);
  return table([['prediction', 'rows', 'share'], ...lines]);
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
  ],
  run,
});
