import { readFile, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parse } from 'csv-parse/sync';
import { compareAnswers, compareHtml } from '../index.js';
import type {
  AnswerRecord,
  ComparedAnswers,
  ComparedFigures,
  ComparedRun,
  EvaluationReport,
} from '../index.js';
import { isFile, writeFileAtomic } from '../weights/files.node.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { flag, text } from './options.js';
import { nameOf, readConfiguration, readHistory } from './reportFiles.node.js';
import { openRun, readRunJson } from './runFolder.node.js';
import type { RunFolder } from './runFolder.node.js';
import { figure, plural, table } from './table.js';
import { exitCodes } from './terminal.js';

const options = {
  out: text('FILE', 'Where the page goes (default: compare-RUN-OTHER.html beside the first run)'),
  json: flag('Print the comparison as JSON on stdout, and nothing else there'),
};

async function run({ positionals, options: given, terminal }: Invocation<typeof options>) {
  const [a, b] = positionals as [string, string];
  const [first, second] = [await readRun(a), await readRun(b)];
  const names = Object.keys(first.tests).filter((name) => Object.hasOwn(second.tests, name));
  const found = names.map((name) => comparison(name, first.tests[name]!, second.tests[name]!));
  const path = given.out ?? join(dirname(resolve(a)), `compare-${nameOf(a)}-${nameOf(b)}.html`);
  await writeFileAtomic(path, compareHtml(first, second));
  if (given.json) terminal.out(JSON.stringify(found, null, 2));
  else {
    const header = ['rows tested', first.name, second.name, 'rows shared', 'McNemar p'];
    const rows = found.map(({ test, accuracy, shared, mcnemar }) => [
      ...[test, ...accuracy.map(figure)],
      ...[shared === null ? '-' : String(shared), figure(mcnemar?.pValue)],
    ]);
    table([header, ...rows]).forEach((line) => terminal.out(line));
    if (found.length === 0) terminal.say('no rows that both were tested on');
  }
  for (const one of found) {
    const note = rowsNote(one, [first.name, second.name]);
    if (note !== undefined) terminal.say(`note: ${one.test}: ${note}`);
  }
  terminal.say(`comparison of ${plural(found.length, 'test')}: ${path}`);
  return exitCodes.ok;
}

interface Comparison {
  readonly test: string;
  /** How many rows each was tested on. */
  readonly rows: readonly number[];
  /** How many of them are the same; null where the answers of one are not there. */
  readonly shared: number | null;
  /** On the rows that are shared, where any is; else each on its own. */
  readonly accuracy: readonly number[];
  readonly mcnemar: ComparedAnswers | null;
}

function comparison(test: string, first: ComparedFigures, second: ComparedFigures): Comparison {
  const tests = [first, second];
  const known = first.answers !== undefined && second.answers !== undefined;
  const mcnemar = known ? compareAnswers(first.answers, second.answers) : undefined;
  return {
    test,
    rows: tests.map(({ figures }) => figures.rows),
    shared: known ? (mcnemar?.rows ?? 0) : null,
    accuracy: mcnemar?.accuracy ?? tests.map(({ figures }) => figures.accuracy),
    mcnemar: mcnemar ?? null,
  };
}

/** What is to be said where two were not tested on the same rows, or may not have been. */
function rowsNote({ shared, mcnemar }: Comparison, names: readonly string[]): string | undefined {
  if (shared === null)
    return 'the answers of one are not there, so whether these are the same rows is not known';
  if (mcnemar === null)
    return 'no row was answered by both, and figures of different rows do not say which is better';
  const { rows, alone } = mcnemar;
  if (alone.every((more) => more === 0)) return undefined;
  const more = alone.map((count, i) => `${plural(count, 'row')} by ${names[i]!} alone`);
  return `not the same rows (${more.join(', ')}): the figures are of the ${rows} that both answered`;
}

/** All that a run folder holds of its figures and answers. */
async function readRun(folder: string): Promise<ComparedRun> {
  const found = await openRun(folder, 'compare');
  const tests: Record<string, ComparedFigures> = {};
  for (const file of (await readdir(folder)).toSorted()) {
    const name = /^metrics(-.+)?\.json$/.exec(file);
    if (name === null) continue;
    const figures = await readRunJson<EvaluationReport>(found, file);
    const answers = await readAnswers(found, `answers${name[1] ?? ''}.csv`);
    tests[testName(name[1]?.slice(1))] = { figures: figures!, ...(answers && { answers }) };
  }
  return {
    name: basename(resolve(folder)),
    tests,
    history: await readHistory(found),
    configuration: await readConfiguration(found),
  };
}

/** The name of a test: a file is called as it is, but one with the name of the run's own validation. */
function testName(evaluated: string | undefined): string {
  if (evaluated === undefined) return 'validation';
  return evaluated === 'validation' ? 'validation.csv' : evaluated;
}

async function readAnswers(run: RunFolder, name: string): Promise<AnswerRecord[] | undefined> {
  const path = join(run.folder, name);
  if (!(await isFile(path))) return undefined;
  const records = parse<Record<keyof AnswerRecord, string>>(await readFile(path), {
    columns: true,
  });
  return records.map((record) => ({ ...record, probability: Number(record.probability) }));
}

/** `bertresnet compare`: two runs side by side. */
export const compareCommand = defineCommand({
  name: 'compare',
  summary: 'Put two runs side by side, and test whether their difference is more than chance',
  positionals: [
    { name: 'RUN', help: 'The folder that train left' },
    { name: 'OTHER', help: 'That of another run' },
  ],
  options,
  examples: ['compare results/run1 results/run2'],
  run,
});
