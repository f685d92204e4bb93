import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import {
  answerColumns,
  answerTable,
  InputError,
  messageOf,
  reportHtml,
  writeCsv,
} from '../index.js';
import type {
  Dataset,
  EpochRecord,
  EvaluationReport,
  Interval,
  LeakageReport,
  ReportData,
  RowAnswers,
  StepRecord,
} from '../index.js';
import { isFile, isFolder, makeFolder, remove, writeFileAtomic } from '../weights/files.node.js';
import { readRunJson } from './runFolder.node.js';
import type { RunFolder } from './runFolder.node.js';
import type { Terminal } from './terminal.js';
import { openRows } from './trainRows.js';
import { isAddress, located } from './trainTask.node.js';
import type { TrainRecord } from './trainTask.node.js';

/** The figures of a report, as metrics.json has them. */
export interface Metrics extends EvaluationReport {
  /** 95% bootstrap intervals of the figures at the top level. */
  readonly intervals: Readonly<Record<string, Interval>>;
  /** How many rows have a text or a picture that was trained on. */
  readonly leakage?: LeakageReport['counts'];
}

/** What metrics.json keeps of a report. @throws Error where it has no figures */
export function metricsOf({ test, leakage }: ReportData): Metrics {
  if (test === undefined) throw new Error('internal: a report without rows has no figures');
  const { figures, intervals, presenceIntervals } = test;
  const modes = Object.entries(figures.modes).map(([mode, one]) => {
    return [mode, { ...one, intervals: intervals[mode as keyof typeof intervals] }] as const;
  });
  const byPresence = Object.entries(figures.byPresence ?? {}).map(([has, one]) => {
    const accuracy = presenceIntervals[has as keyof typeof presenceIntervals];
    return [has, { ...one, intervals: { accuracy } }] as const;
  });
  return {
    ...figures,
    intervals: intervals[figures.mode]!,
    ...(figures.byPresence && { byPresence: Object.fromEntries(byPresence) }),
    ...(leakage && { leakage: leakage.counts }),
    modes: Object.fromEntries(modes),
  };
}

/** Writes a report's page, and the answers that it is made of beside it. */
export async function writeReport(
  report: ReportData,
  path: string,
  terminal: Terminal,
): Promise<void> {
  await writeFileAtomic(path, reportHtml(report));
  terminal.say(`report: ${path}`);
}

/** Makes the folder of a file that is to be written. @throws InputError where a folder is in its place */
export async function requirePlace(path: string, command: string): Promise<void> {
  if (await isFolder(path)) {
    throw new InputError(
      `${command}: --out must be a file, and ${path} is a folder; name a file in it`,
    );
  }
  await makeFolder(dirname(resolve(path)));
}

/** Writes all rows whose text or picture was trained on; where they were looked for and there are none, no list stays. */
export async function writeLeakage(
  { leakage }: ReportData,
  path: string,
  terminal: Terminal,
): Promise<void> {
  if (leakage === undefined) return;
  if (leakage.rows.length === 0) return remove(path);
  const parts = ['text', 'image'] as const;
  const columns = parts.flatMap((part) => [part, `${part}_similarity`, `${part}_trained_on`]);
  await writeCsv(
    path,
    ['row', ...columns],
    leakage.rows.map((found) => [
      found.row,
      ...parts.flatMap((part) => {
        const { same, similarity, trainRow } = found[part] ?? {};
        return [same === undefined ? '' : same ? 'same' : 'near', similarity, trainRow];
      }),
    ]),
  );
  terminal.say(`rows that were trained on: ${path}`);
}

/** Writes what was answered to each row, for people and for `compare`. */
export async function writeAnswers(
  answers: RowAnswers,
  rows: Dataset,
  path: string,
): Promise<void> {
  const records = await answerTable(answers, rows);
  await writeCsv(
    path,
    answerColumns,
    records.map((record) => answerColumns.map((column) => record[column])),
  );
}

/**
 * The steps and epochs of a run; none where it left no history. A last line that was cut off does not count.
 *
 * @throws InputError where another line is damaged.
 */
export async function readHistory({ folder }: RunFolder): Promise<(StepRecord | EpochRecord)[]> {
  const path = join(folder, 'history.jsonl');
  if (!(await isFile(path))) return [];
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
  return lines.flatMap((line, i) => (line === '' ? [] : [readLine(line, `${path} line ${i + 1}`)]));
}

function readLine(line: string, where: string): StepRecord | EpochRecord {
  try {
    return JSON.parse(line) as StepRecord | EpochRecord;
  } catch (error) {
    throw new InputError(
      `history: ${where} must be JSON (${messageOf(error)}); mend the line or remove it`,
    );
  }
}

/** What config.json of a run holds; nothing where the folder is a saved model on its own. */
export async function readConfiguration(
  run: RunFolder,
): Promise<Record<string, unknown> | undefined> {
  return run.folder === run.model ? undefined : readRunJson(run, 'config.json');
}

/**
 * The rows that a run was trained on: without those that it left out or held out. Nothing, and a note, where its files do
 * not lie any more where they were, seen from the run folder.
 */
export async function trainedRows(
  { folder }: RunFolder,
  configuration: Record<string, unknown> | undefined,
  terminal: Terminal,
): Promise<Dataset | undefined> {
  const record = configuration?.['command'] as TrainRecord | undefined;
  if (record === undefined) return undefined;
  const { train, val, ...values } = await located(record, folder);
  const lost = await missing({ 'trained on': train, 'left out of the training': values.exclude });
  const none = (why: string): void => terminal.say(`note: ${why}: no leakage is looked for`);
  if (lost !== undefined) return void none(lost);
  const { badRows = 'missing' } = values;
  const valFraction = val === undefined ? values.valFraction : 0;
  try {
    return (await openRows({ train, values: { ...values, badRows, valFraction } }, silent)).train;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return void none(`the rows that were trained on cannot be read (${error.message})`);
  }
}

/** The first of these files that is not there, and what it was for. */
async function missing(
  files: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  for (const [how, path] of Object.entries(files)) {
    if (path === undefined || isAddress(path) || (await isFile(path))) continue;
    return `${path}, which was ${how}, is not there`;
  }
  return undefined;
}

const silent: Terminal = { out: () => {}, say: () => {}, interactive: false };

/** The name of a run, or of a file without its ending. */
export function nameOf(path: string): string {
  return basename(resolve(path), extname(path));
}

/** Now, as people write it. */
export function today(): string {
  return new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC';
}
