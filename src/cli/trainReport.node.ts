import { join, relative, resolve } from 'node:path';
import { answerRows, calibrate, createReport, reportHtml } from '../index.js';
import type { BertResNetModel, Dataset, ReportData, ResolvedOptions } from '../index.js';
import { writeFileAtomic } from '../weights/files.node.js';
import { optionName } from './options.js';
import {
  metricsOf,
  nameOf,
  readConfiguration,
  readHistory,
  today,
  writeAnswers,
  writeLeakage,
} from './reportFiles.node.js';
import { openRun, readRunJson } from './runFolder.node.js';
import type { Terminal } from './terminal.js';
import { options, pathOptions } from './trainOptions.js';
import type { TrainValues } from './trainOptions.js';
import { isAddress } from './trainTask.node.js';
import type { TrainTask } from './trainTask.node.js';

/** A run that has come to its end: the model holds its best epoch. */
export interface FinishedRun {
  readonly task: TrainTask;
  readonly model: BertResNetModel;
  readonly train: Dataset;
  readonly validation?: Dataset;
  readonly training: ResolvedOptions;
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
}

/**
 * Calibrates the model of a finished run on its validation rows, and writes what can be said of it: the model once more
 * (its card and config.json), metrics.json with intervals, answers.csv, and report.html unless it is not wanted.
 */
export async function reportRun(run: FinishedRun): Promise<void> {
  const { task, model, validation, terminal } = run;
  const { folder } = task;
  const found = await openRun(folder, 'train');
  const about = await aboutRun(task);
  const report =
    validation === undefined
      ? { ...about, labels: model.labels }
      : await measure(run, validation, about);
  await model.save(found.model, { report });
  if (task.values.noReport) return;
  await writeFileAtomic(join(folder, 'report.html'), reportHtml(report));
  terminal.say(`report: ${join(folder, 'report.html')}`);
}

/** What a report says of a run beside its figures. */
export async function aboutRun(task: TrainTask): Promise<Omit<ReportData, 'labels'>> {
  const found = await openRun(task.folder, 'report');
  return {
    title: `${nameOf(task.folder)}: a classifier of text and image`,
    history: await readHistory(found),
    configuration: await readConfiguration(found),
    command: commandOf(task),
    date: today(),
  };
}

async function measure(
  { task, model, train, training, signal, terminal }: FinishedRun,
  validation: Dataset,
  about: Omit<ReportData, 'labels'>,
): Promise<ReportData> {
  const { folder, values } = task;
  const { mode, evalBatchSize: batchSize, maxLength } = training;
  const { cacheFeatures } = training; // where the run has them already
  const how = { mode, batchSize, maxLength, cacheFeatures, signal };
  const answers = await answerRows(model, validation, how);
  await calibrate(model, answers);
  if (!values.noReport) terminal.say('looking for validation rows that are trained on');
  const looked = values.noReport ? {} : { train };
  const report = await createReport(model, validation, { ...about, ...looked, answers, signal });
  const found = await openRun(folder, 'train');
  const kept = await readRunJson<{ epoch: number; data: string }>(found, 'metrics.json');
  const metrics = { ...metricsOf(report), epoch: kept?.epoch, data: kept?.data };
  await writeFileAtomic(join(folder, 'metrics.json'), `${JSON.stringify(metrics, null, 2)}\n`);
  await writeAnswers(answers, validation, join(folder, 'answers.csv'));
  await writeLeakage(report, join(folder, 'leakage.csv'), terminal);
  return report;
}

/** What is of the run that was made: to do it again must not replace that without asking. */
const onceOnly = ['out', 'resume', 'overwrite', 'json'];

/** The command that does what a task did, with its paths seen from the working folder. */
function commandOf({ train, folder, values }: TrainTask): string {
  const given = Object.keys(options).filter((key) => {
    return values[key as keyof TrainValues] !== undefined && !onceOnly.includes(key);
  }) as (keyof TrainValues)[];
  const words = given.map((key) => {
    const value = values[key]!;
    const name = `--${optionName(key)}`;
    if (value === true || value === '') return name;
    const isPath = pathOptions.includes(key) && String(value).startsWith('/');
    return `${name} ${quoted(isPath ? fromHere(String(value)) : String(value))}`;
  });
  const lines = [`bertresnet train ${quoted(fromHere(train))}`, ...words];
  return [...lines, `--out ${quoted(fromHere(folder))}`].join(' \\\n  ');
}

function fromHere(path: string): string {
  if (isAddress(path)) return path;
  return relative('', resolve(path)).replaceAll('\\', '/') || '.';
}

/** A path as a shell takes it. */
export function quoted(path: string): string {
  return /^[\w./~+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
