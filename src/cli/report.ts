import { createReport, InputError } from '../index.js';
import type { BertResNetModel, EvaluateOptions, ReportData } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { dataOptions, describeRows, labelOptions, openCsv } from './data.js';
import { engineOptions, startEngine } from './engine.js';
import { integer, optionName, text } from './options.js';
import type { Values } from './options.js';
import {
  nameOf,
  readConfiguration,
  readHistory,
  today,
  trainedRows,
  writeReport,
} from './reportFiles.node.js';
import { fileFor, loadModel, openRun, readSettings } from './runFolder.node.js';
import type { RunFolder } from './runFolder.node.js';
import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';
import { aboutRun } from './trainReport.node.js';
import { openRows } from './trainRows.js';
import { resumedTask } from './trainTask.node.js';

const options = {
  out: text('FILE', 'Where the page goes (default: report.html, or report-NAME.html, in the run)'),
  batchSize: integer('Rows that are computed at once (default 32)'),
  mistakes: integer('How many of the surest mistakes are shown (default 12)', 0),
  ...dataOptions,
  ...labelOptions,
  ...engineOptions,
};

async function run({ positionals, options: given, terminal, signal }: Invocation<typeof options>) {
  const [folder, csv] = positionals as [string, string | undefined];
  const found = await openRun(folder, 'report');
  const model = await loadModel(found);
  const { maxLength } = await readSettings(found);
  const { batchSize = 32, mistakes } = given;
  const asked = { found, model, given, terminal, how: { batchSize, maxLength, mistakes, signal } };
  const report = await (csv === undefined ? onValidation(asked) : onTest(csv, asked));
  await writeReport(report, given.out ?? fileFor(found, 'report', csv, '.html'), terminal);
  return exitCodes.ok;
}

interface Asked {
  readonly found: RunFolder;
  readonly model: BertResNetModel;
  readonly given: Values<typeof options>;
  readonly terminal: Terminal;
  readonly how: EvaluateOptions & { readonly mistakes?: number };
}

/** Of the rows that the run was validated on: its file, or the part that was held out. */
async function onValidation({ found, model, given, terminal, how }: Asked): Promise<ReportData> {
  await checkRun(found, given);
  const task = await resumedTask(undefined, { resume: found.folder });
  const { train, validation } = await openRows(task, terminal);
  const about = await aboutRun(task);
  if (validation === undefined) return { ...about, labels: model.labels };
  await startEngine({ ...task.values, ...given }, terminal);
  const { mode } = task.values;
  return createReport(model, validation, { ...about, ...how, mode, train });
}

/** @throws InputError where the folder does not say on what it was validated, or an option is for other rows */
async function checkRun(found: RunFolder, given: Values<typeof options>): Promise<void> {
  const { command } = (await readConfiguration(found)) ?? {};
  if (command === undefined) {
    throw new InputError(
      `report: ${found.folder} was not trained from the command line, so its validation rows are not known; ` +
        'name a CSV of rows with labels',
    );
  }
  const idle = Object.keys({ ...dataOptions, ...labelOptions }).filter((key) => key in given);
  if (idle.length === 0) return;
  const names = idle.map((key) => `--${optionName(key)}`).join(', ');
  throw new InputError(
    `report: ${names} says how CSV is read, and none is given; the run has its own`,
  );
}

/** Of other rows with labels. */
async function onTest(csv: string, { found, model, given, terminal, how }: Asked) {
  const rows = await openCsv(csv, given, { labels: model.labels });
  describeRows(rows, terminal);
  const configuration = await readConfiguration(found);
  await startEngine(given, terminal);
  return createReport(model, rows, {
    ...how,
    title: `${nameOf(found.folder)} on ${nameOf(csv)}`,
    history: await readHistory(found),
    train: await trainedRows(found, configuration, terminal),
    date: today(),
    configuration,
  });
}

/** `bertresnet report`: a page about a trained model. */
export const reportCommand = defineCommand({
  name: 'report',
  summary: 'Make the page about a run, on its validation rows or on others, and nothing else',
  positionals: [
    { name: 'RUN', help: 'The folder that train left, or with CSV a saved model' },
    { name: 'CSV', help: 'Rows with labels (default: the validation rows)', optional: true },
  ],
  options,
  examples: ['report results/run1', 'report results/run1 test.csv --out report.html'],
  run,
});
