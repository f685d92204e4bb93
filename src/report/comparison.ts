import type { Mode } from '../fusion/fusion.js';
import type { EvaluationReport, ModeReport } from '../training/evaluate.js';
import { lineChart } from './chart.js';
import type { Series } from './chart.js';
import { compareAnswers } from './compare.js';
import type { ComparedAnswers, ComparedFigures, ComparedRun } from './compare.js';
import { flat } from './configuration.js';
import { epochsOf, modeNames, presenceNames } from './curves.js';
import { chance, count, decimal, percent, plural, wholePercent, words } from './figures.js';
import { html } from './html.js';
import type { Html } from './html.js';
import { page, table } from './page.js';
import type { Column, Section } from './page.js';
import { tile } from './sections.js';
import { sharedFigures } from './sharedRows.js';
import type { AnsweredFigures } from './sharedRows.js';

/**
 * Two runs side by side as one page of HTML, in the style of `reportHtml`: their figures on the rows that both were
 * tested on, McNemar's test of their answers to these, learning curves, and in what they differ. Where no row is known
 * to be shared, the figures stand beside each other and none is called better.
 */
export function compareHtml(first: ComparedRun, second: ComparedRun): string {
  const names = Object.keys(first.tests).filter((name) => Object.hasOwn(second.tests, name));
  const tests = names.map((name) => testOf(name, first.tests[name]!, second.tests[name]!));
  const shared = tests.flatMap(({ name, answers }) => {
    if (answers === undefined) return [];
    return isWhole(answers) ? [name] : [`${plural(answers.rows, 'row')} of ${name}`];
  });
  const known = tests.every(({ tests: both }) => both.every(({ answers }) => answers));
  const lead = html`<p class="quiet">
    ${
      shared.length > 0
        ? `Both were tested on ${shared.join(', ')}.`
        : `No rows that both ${known ? 'were' : 'are known to have been'} tested on.`
    }
  </p>`;
  return page(`${first.name} and ${second.name}`, lead, [
    ...tests.map((test, i) => figuresSection([first, second], test, i)),
    curves([first, second], tests),
    differences([first, second]),
  ]);
}

type Two<T> = readonly [first: T, second: T];

/** What two runs found on rows that go by one name. */
interface ComparedTest {
  readonly name: string;
  readonly tests: Two<ComparedFigures>;
  /** Nothing where no row is known to be shared. */
  readonly answers?: ComparedAnswers;
}

function testOf(name: string, first: ComparedFigures, second: ComparedFigures): ComparedTest {
  const answers = first.answers && second.answers && compareAnswers(first.answers, second.answers);
  return { name, tests: [first, second], answers };
}

/** Whether both were tested on the same rows. */
function isWhole({ alone }: ComparedAnswers): boolean {
  return alone[0] === 0 && alone[1] === 0;
}

function figuresSection(runs: Two<ComparedRun>, test: ComparedTest, index: number): Section {
  const { name, answers } = test;
  const tables = tablesOf(runs, test).filter((one) => one !== false);
  const content = html`${rowsNote(runs, test)} ${answers && verdict(runs, answers)}
    ${answers && html`<p class="quiet">The better of two figures is bold.</p>`}
    <div class="grid">${tables.map((one) => html`<div>${one}</div>`)}</div>`;
  return { id: `figures-${index + 1}`, title: name, content };
}

/** What the figures are of, where that is not the same rows. */
function rowsNote(runs: Two<ComparedRun>, { tests, answers }: ComparedTest): Html | false {
  if (answers !== undefined) {
    return !isWhole(answers) && html`<p class="note">${overlap(runs, answers)}</p>`;
  }
  const silent = runs.filter((_, i) => tests[i]!.answers === undefined).map(({ name }) => name);
  const why =
    silent.length === 0
      ? 'No row was answered by both. Figures of different rows do not say which run is better'
      : `The answers of ${silent.join(' and ')} are not there, so it is not known whether these are the same rows`;
  return html`<p class="note">${why}: none is marked as the better one.</p>`;
}

function overlap([first, second]: Two<ComparedRun>, { rows, alone }: ComparedAnswers): string {
  const more = [first, second].map(({ name }, i) => `${plural(alone[i]!, 'row')} by ${name} alone`);
  return (
    `They were not tested on the same rows: ${more.join(', ')}. All figures here are of the ` +
    `${plural(rows, 'row')} that both answered, as far as the answers tell them.`
  );
}

/** Of all that both found where the rows are the same or not known to be shared; else of what both answered. */
function tablesOf(
  runs: Two<ComparedRun>,
  { tests: [first, second], answers }: ComparedTest,
): (Html | false)[] {
  const marked = answers !== undefined;
  const shared = marked && !isWhole(answers) ? sharedFigures(first, second) : undefined;
  const found = shared ?? ([first.figures, second.figures] as const);
  return [
    ...(shared
      ? [figuresTable('The rows that both answered', runs, shared, marked)]
      : modeTables(runs, [first.figures, second.figures], marked)),
    presenceTable(runs, found, marked),
    labelsTable(runs, found, marked),
  ];
}

function verdict([first, second]: Two<ComparedRun>, found: ComparedAnswers): Html {
  const { rows, accuracy, onlyFirst, onlySecond, pValue, exact } = found;
  const better =
    accuracy[0] === accuracy[1] ? undefined : accuracy[0] > accuracy[1] ? first : second;
  const judged =
    pValue < 0.05 && better !== undefined
      ? `${better.name} is better, and not by chance alone at the 5% level`
      : 'the difference may well be chance';
  return html`<p>
      On the ${plural(rows, 'row')} that both answered, ${judged} (McNemar’s
      test${exact && ', exact'}: ${chance(pValue)}).
    </p>
    <dl class="tiles">
      ${tile(first.name, percent(accuracy[0]), 'accuracy')}
      ${tile(second.name, percent(accuracy[1]), 'accuracy')}
      ${tile(`Only ${first.name} is right`, count(onlyFirst), 'rows')}
      ${tile(`Only ${second.name} is right`, count(onlySecond), 'rows')}
    </dl>`;
}

function columns(first: string, runs: Two<ComparedRun>): Column[] {
  return [{ name: first }, ...runs.map(({ name }) => ({ name, figures: true }))];
}

interface Format {
  readonly format: (value: number | null | undefined) => string;
  readonly smaller?: boolean;
  /** Whether the better one is marked: it has to be of the same rows. */
  readonly marked: boolean;
}

/** Two figures as written, the better one marked. */
function better(
  [a, b]: Two<number | null | undefined>,
  { format, smaller = false, marked }: Format,
): Two<Html> {
  const told = typeof a === 'number' && typeof b === 'number' && format(a) !== format(b);
  const known = marked && told;
  const firstIsBetter = known && (smaller ? a < b : a > b);
  const written = (value: number | null | undefined, best: boolean): Html =>
    html`<span class="${best ? 'best' : ''}">${format(value)}</span>`;
  return [written(a, firstIsBetter), written(b, known && !firstIsBetter)];
}

function share(value: number | null | undefined): string {
  return typeof value === 'number' ? percent(value) : '–';
}

/** The figures of a mode, or those that answers tell. */
type Figures = Pick<ModeReport, 'accuracy' | 'macroF1' | 'ece' | 'calibrated'> & {
  readonly loss?: number;
};

/** A line of figures. */
interface Figure extends Omit<Format, 'marked'> {
  readonly name: string;
  readonly of: (report: Figures) => number | undefined;
}

const modeFigures: readonly Figure[] = [
  { name: 'accuracy', of: ({ accuracy }) => accuracy, format: share },
  { name: 'macro F1', of: ({ macroF1 }) => macroF1, format: decimal },
  {
    name: 'log loss',
    of: ({ calibrated, loss }) => calibrated?.loss ?? loss,
    format: decimal,
    smaller: true,
  },
  {
    name: 'calibration error',
    of: ({ calibrated, ece }) => calibrated?.ece ?? ece,
    format: decimal,
    smaller: true,
  },
];

/** A table for each mode that both runs answered. */
function modeTables(
  runs: Two<ComparedRun>,
  [a, b]: Two<EvaluationReport>,
  marked: boolean,
): Html[] {
  const shared = (Object.keys(a.modes) as Mode[]).filter((mode) => mode in b.modes);
  return shared
    .toReversed()
    .map((mode) =>
      figuresTable(`From ${modeNames[mode]}`, runs, [a.modes[mode]!, b.modes[mode]!], marked),
    );
}

/** Without the figures that neither has. */
function figuresTable(
  caption: string,
  runs: Two<ComparedRun>,
  [a, b]: Two<Figures>,
  marked: boolean,
): Html {
  const rows = modeFigures.flatMap(({ name, of, ...how }) =>
    of(a) === undefined && of(b) === undefined
      ? []
      : [[name, ...better([of(a), of(b)], { ...how, marked })]],
  );
  return table(caption, columns('figure', runs), rows);
}

/** Nothing where all rows have the same inputs. */
function presenceTable(
  runs: Two<ComparedRun>,
  [a, b]: Two<Pick<AnsweredFigures, 'byPresence'> | EvaluationReport>,
  marked: boolean,
): Html | false {
  const [first, second] = [a.byPresence ?? {}, b.byPresence ?? {}];
  const kinds = (Object.keys(first) as Mode[]).filter((has) => has in second);
  if (kinds.length < 2) return false;
  const rows = kinds.map((has) => [
    presenceNames[has],
    ...better([first[has]!.accuracy, second[has]!.accuracy], { format: share, marked }),
  ]);
  return table('Accuracy by what the rows have', columns('the row has', runs), rows);
}

const mostLabels = 40;

function labelsTable(
  runs: Two<ComparedRun>,
  [a, b]: Two<Pick<AnsweredFigures, 'perClass'>>,
  marked: boolean,
): Html | false {
  const labels = Object.keys(a.perClass).filter((label) => Object.hasOwn(b.perClass, label));
  if (labels.length === 0) return false;
  const rows = labels.slice(0, mostLabels).map((label) => {
    const found = [a.perClass[label]!.f1, b.perClass[label]!.f1] as const;
    return [label, ...better(found, { format: decimal, marked })];
  });
  return table('F1 of each label', columns('label', runs), rows);
}

function curves(runs: Two<ComparedRun>, tests: readonly ComparedTest[]): Section | undefined {
  if (runs.some(({ history = [] }) => epochsOf(history).length === 0)) return undefined;
  const lines = (of: 'accuracy' | 'loss'): Series[] =>
    runs.map(({ name, history = [] }) => ({
      name,
      points: epochsOf(history).flatMap(({ epoch, validation }) => {
        const value = validation?.[of];
        return typeof value === 'number' ? [[epoch, value] as const] : [];
      }),
    }));
  const chart = (of: 'accuracy' | 'loss', title: string): Html | false =>
    lines(of).some(({ points }) => points.length > 0) &&
    lineChart({
      ...{ title, x: 'epoch', series: lines(of) },
      format: of === 'loss' ? decimal : percent,
      ...(of === 'accuracy' && { ticks: wholePercent }),
    });
  const validation = tests.find(({ name }) => name === 'validation');
  const differ = validation && !(validation.answers && isWhole(validation.answers));
  const content = html`${differ && html`<p class="quiet">Each on its own validation rows.</p>`}
    <div class="grid">
      ${chart('accuracy', 'Accuracy on validation')} ${chart('loss', 'Loss on validation')}
    </div>`;
  return { id: 'curves', title: 'Learning curves', content };
}

/** The options in which the runs differ. */
function differences(runs: Two<ComparedRun>): Section | undefined {
  if (runs.some(({ configuration }) => configuration === undefined)) return undefined;
  const [a, b] = runs.map(
    ({ configuration }) =>
      new Map(
        flat({
          ...(configuration!['training'] as object | undefined),
          mode: configuration!['mode'],
          model: configuration!['model'],
          train: configuration!['train'],
          validation: configuration!['validation'],
        }),
      ),
  ) as [Map<string, string>, Map<string, string>];
  const names = [...new Set([...a.keys(), ...b.keys()])];
  const differing = names.filter((name) => a.get(name) !== b.get(name));
  const rows = differing.map((name) => [words(name), a.get(name) ?? '–', b.get(name) ?? '–']);
  const content =
    rows.length === 0
      ? html`<p>They were made with the same options.</p>`
      : table(
          'Options that differ',
          [{ name: 'option' }, ...runs.map(({ name }) => ({ name }))],
          rows,
        );
  return { id: 'differences', title: 'What was done differently', content };
}
