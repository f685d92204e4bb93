import { answerRows, calibrate, createReport } from '../index.js';
import type {
  BertResNetModel,
  CsvDataset,
  CsvOptions,
  Dataset,
  EvaluateOptions,
  Mode,
} from '../index.js';
import { writeFileAtomic } from '../weights/files.node.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { dataOptions, describeRows, labelOptions, openCsv } from './data.js';
import { engineOptions, startEngine } from './engine.js';
import { requireLabels } from './labels.js';
import { choice, flag, integer, text } from './options.js';
import type { Values } from './options.js';
import { reportLines } from './reportLines.js';
import {
  metricsOf,
  nameOf,
  readConfiguration,
  readHistory,
  requirePlace,
  today,
  trainedRows,
  writeAnswers,
  writeLeakage,
  writeReport,
} from './reportFiles.node.js';
import { fileFor, loadModel, openRun, readSettings, saveCalibration } from './runFolder.node.js';
import { figure, plural } from './table.js';
import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';

const options = {
  mode: choice(
    ['text', 'image', 'both', 'all'],
    'What answers rest on; all (the default, but where one input alone was trained) measures each, and both stands first',
  ),
  calibrate: text(
    'FILE',
    'First fit temperatures and thresholds on these rows, which the model was not trained on, and keep them in it',
  ),
  exclude: text('FILE', 'Leave out the rows whose text and picture both stand in this CSV'),
  batchSize: integer('Rows that are computed at once (default 32)'),
  maxLength: integer('The longest text, in tokens (default: as in training)', 2),
  out: text('FILE', 'Where the figures go (default: metrics-NAME.json in the run folder)'),
  noReport: flag('Write the figures alone: no report-NAME.html, and no search for leakage'),
  json: flag('Print the figures as JSON on stdout, and nothing else there'),
  ...dataOptions,
  ...labelOptions,
  ...engineOptions,
};

async function run({ positionals, options: given, terminal, signal }: Invocation<typeof options>) {
  const [folder, csv] = positionals as [string, string];
  const found = await openRun(folder, 'evaluate');
  const model = await loadModel(found);
  const { labels } = model;
  const rows = await openLabelled(csv, given, { labels, exclude: given.exclude }, terminal);
  const { calibrate: other, batchSize = 32, mode = model.trainedMode ?? 'all' } = given;
  const toFit =
    other === undefined ? other : await openLabelled(other, given, { labels }, terminal);
  const path = given.out ?? fileFor(found, 'metrics', csv, '.json');
  await requirePlace(path, 'evaluate');
  const configuration = await readConfiguration(found);
  const history = await readHistory(found);
  const known = toFit !== undefined || !given.noReport;
  const trained = known ? await trainedRows(found, configuration, terminal) : undefined;
  const train = given.noReport ? undefined : trained;
  if (toFit !== undefined && trained !== undefined) warnOfTrained(toFit, trained, terminal);
  await startEngine(given, terminal);
  const maxLength = given.maxLength ?? (await readSettings(found)).maxLength;
  const how = { mode, batchSize, maxLength, signal };
  if (toFit !== undefined) await calibrateOn(toFit, model, how, terminal);
  const answers = await answerRows(model, rows, how);
  const report = await createReport(model, rows, {
    title: `${nameOf(folder)} on ${nameOf(csv)}`,
    date: today(),
    ...{ answers, history, train, configuration, signal },
  });
  const metrics = metricsOf(report);
  await writeFileAtomic(path, `${JSON.stringify(metrics, null, 2)}\n`);
  await writeAnswers(answers, rows, fileFor(found, 'answers', csv, '.csv'));
  await writeLeakage(report, fileFor(found, 'leakage', csv, '.csv'), terminal);
  if (!given.noReport) await writeReport(report, fileFor(found, 'report', csv, '.html'), terminal);
  if (toFit !== undefined) await saveCalibration(model, found, report);
  if (given.json) terminal.out(JSON.stringify(metrics, null, 2));
  else reportLines(metrics, labels).forEach((line) => terminal.out(line));
  terminal.say(`figures: ${path}`);
  return exitCodes.ok;
}

async function openLabelled(
  csv: string,
  given: Values<typeof options>,
  more: CsvOptions,
  terminal: Terminal,
): Promise<CsvDataset> {
  const rows = await openCsv(csv, given, more);
  requireLabels(rows, 'evaluate');
  describeRows(rows, terminal);
  return rows;
}

/** Temperatures of rows that were trained on are those of a model that knows its answers. */
function warnOfTrained(rows: CsvDataset, trained: Dataset, terminal: Terminal): void {
  const known = new Set(keysOf(trained));
  const seen = keysOf(rows).filter((key) => known.has(key)).length;
  if (seen === 0) return;
  terminal.say(
    `warning: the model was trained on ${seen} of the ${plural(rows.size, 'row')} of --calibrate, so its probabilities ` +
      'will be too sure; give rows that it has not seen',
  );
}

function keysOf(rows: Dataset): number[] {
  const keys = Array.from({ length: rows.size }, (_, position) => rows.keyOf?.(position));
  return keys.filter((key) => key !== undefined);
}

async function calibrateOn(
  rows: CsvDataset,
  model: BertResNetModel,
  how: EvaluateOptions,
  terminal: Terminal,
): Promise<void> {
  const before = model.calibration?.heads;
  const { heads } = await calibrate(model, rows, how);
  for (const [head, found] of Object.entries(heads)) {
    if (found === before?.[head as Mode]) continue; // not of these rows
    const { temperature, reason, rows: seen } = found;
    const why = reason === undefined ? '' : ` (${reason})`;
    terminal.say(
      `  temperature of ${head}: ${figure(temperature)}, of ${plural(seen, 'row')}${why}`,
    );
  }
}

/** `bertresnet evaluate`: the figures of a trained model on rows with labels. */
export const evaluateCommand = defineCommand({
  name: 'evaluate',
  summary: 'Measure a trained model on rows with labels, by text, by image and by both',
  positionals: [
    { name: 'RUN', help: 'The folder that train left, or a saved model' },
    { name: 'CSV', help: 'The rows, with labels' },
  ],
  options,
  examples: [
    'evaluate results/run1 test.csv',
    'evaluate results/run1 test.csv --calibrate val.csv',
    'evaluate results/run1 test.csv --mode text --json',
  ],
  run,
});
