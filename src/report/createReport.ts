import { shortName } from '../datasets/example.js';
import type { Dataset } from '../datasets/example.js';
import { findLeakage } from '../evaluation/leakage.js';
import type { BertResNetModel } from '../model.js';
import { answerRows } from '../training/evaluate.js';
import type { EvaluateOptions } from '../training/evaluate.js';
import type { EpochRecord, StepRecord } from '../training/records.js';
import type { RowAnswers } from '../training/rowAnswers.js';
import type { ReportData, ReportedLeakage } from './reportData.js';
import { testedRows } from './testedRows.js';

/** What a report is made of, beside the answers to the rows. */
export interface CreateReportOptions extends EvaluateOptions {
  /** What the page is called (default: `A classifier on NAME`). */
  readonly title?: string;
  /** The answers of this model to the rows, where `answerRows` gave them already. */
  readonly answers?: RowAnswers;
  /** The rows that were trained on: they are looked for in the test. */
  readonly train?: Dataset;
  /** The steps and epochs of the training, for its curves: what `fit` returns, or history.jsonl holds. */
  readonly history?: readonly (StepRecord | EpochRecord)[];
  /** What the run was made with, such as its config.json. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** The command that made the run, to be copied. */
  readonly command?: string;
  /** When it was made, as people write it. */
  readonly date?: string;
  /** How many of the surest mistakes are shown (default 12). */
  readonly mistakes?: number;
}

/**
 * Answers rows with labels and gathers what a report shows of them: figures and their intervals, reliability, the
 * surest mistakes with small pictures, and, given the rows of the training, leakage. `reportHtml` makes the page.
 *
 * ```ts
 * const report = await createReport(model, test, { train, history });
 * await writeFile('report.html', reportHtml(report));
 * ```
 *
 * @throws InputError as `evaluate`.
 */
export async function createReport(
  model: BertResNetModel,
  dataset: Dataset,
  options: CreateReportOptions = {},
): Promise<ReportData> {
  const { train, mistakes = 12, signal, history, configuration, command, date } = options;
  const { title = `A classifier on ${shortName(dataset.name)}` } = options;
  const answers = options.answers ?? (await answerRows(model, dataset, options));
  const test = await testedRows(answers, dataset, mistakes);
  const found = train && (await findLeakage(train, dataset, { signal }));
  const report: ReportData = {
    title,
    labels: model.labels,
    test,
    ...(found && { leakage: { ...found, without: withoutLeaked(answers, found.rows) } }),
  };
  const names = [dataset.name, ...(train ? [train.name] : [])];
  return { ...withShortNames(report, names), history, configuration, command, date };
}

/** A report in which data sets, and rows that are called after them, have no folders of this machine in their names. */
function withShortNames(report: ReportData, names: readonly string[]): ReportData {
  const shortened = (value: string): string =>
    names.reduce((sum, name) => sum.replaceAll(name, shortName(name)), value);
  const isName = (key: string): boolean => ['name', 'row', 'trainRow'].includes(key);
  const copy = JSON.stringify(report, (key, value: unknown) =>
    isName(key) && typeof value === 'string' ? shortened(value) : value,
  );
  return JSON.parse(copy) as ReportData;
}

/** The accuracy on the rows that did not leak; nothing where none is left. */
function withoutLeaked(
  answers: RowAnswers,
  leaked: readonly { readonly position: number }[],
): ReportedLeakage['without'] {
  const positions = new Set(leaked.map(({ position }) => position));
  const { mode } = answers.of;
  const { positions: answered, labels, predictions } = answers.in(mode);
  const kept = [...answered.keys()].filter((row) => !positions.has(answered[row]!));
  if (kept.length === 0) return undefined;
  const right = kept.filter((row) => predictions[row] === labels[row]).length;
  return { rows: kept.length, accuracy: right / kept.length };
}
