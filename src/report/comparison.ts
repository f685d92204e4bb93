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

/**
 * Two runs side by side as one page of HTML, in the style of `reportHtml`: their figures on every data set that both
 * were tested on, McNemar's test where both answered the same rows, learning curves, and in what they differ.
 */
export function compareHtml(first: ComparedRun, second: ComparedRun): string {
  const shared = Object.keys(first.tests).filter((name) => name in second.tests);
  const lead = html`<p class="quiet">
    ${shared.length === 0 ? 'No rows that both were tested on.' : `Both were tested on ${shared.join(', ')}.`}
  </p>`;
  return page(`${first.name} and ${second.name}`, lead, [
    ...shared.map((name, i) =>
      figuresSection([first, second], [first.tests[name]!, second.tests[name]!], name, i),
    ),
    curves([first, second]),
    differences([first, second]),
  ]);
}

type Two<T> = readonly [first: T, second: T];

function figuresSection(
  runs: Two<ComparedRun>,
  tests: Two<ComparedFigures>,
  name: string,
  index: number,
): Section {
  const [first, second] = tests;
  const compared = first.answers && second.answers && compareAnswers(first.answers, second.answers);
  const figures = [first.figures, second.figures] as const;
  const tables = [
    ...modeTables(runs, figures),
    presenceTable(runs, figures),
    labelsTable(runs, figures),
  ].filter((one) => one !== false);
  const content = html`${compared && verdict(runs, compared)}
    <p class="quiet">The better of two figures is bold.</p>
    <div class="grid">${tables.map((one) => html`<div>${one}</div>`)}</div>`;
  return { id: `figures-${index + 1}`, title: name, content };
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

/** Two figures as written, the better one marked. */
function better(
  values: Two<number | null | undefined>,
  format: (value: number | null | undefined) => string,
  smaller = false,
): Two<Html> {
  const [a, b] = values;
  const known = typeof a === 'number' && typeof b === 'number' && format(a) !== format(b);
  const firstIsBetter = known && (smaller ? a < b : a > b);
  const marked = (value: number | null | undefined, best: boolean): Html =>
    html`<span class="${best ? 'best' : ''}">${format(value)}</span>`;
  return [marked(a, known && firstIsBetter), marked(b, known && !firstIsBetter)];
}

function share(value: number | null | undefined): string {
  return typeof value === 'number' ? percent(value) : '–';
}

/** The figures of a mode. */
interface Figure {
  readonly name: string;
  readonly of: (report: ModeReport) => number;
  readonly format: (value: number | null | undefined) => string;
  readonly smaller?: boolean;
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
function modeTables(runs: Two<ComparedRun>, [a, b]: Two<EvaluationReport>): Html[] {
  const shared = (Object.keys(a.modes) as Mode[]).filter((mode) => mode in b.modes);
  return shared.toReversed().map((mode) => {
    const rows = modeFigures.map(({ name, of, format, smaller }) => [
      name,
      ...better([of(a.modes[mode]!), of(b.modes[mode]!)], format, smaller),
    ]);
    return table(`From ${modeNames[mode]}`, columns('figure', runs), rows);
  });
}

/** Nothing where all rows have the same inputs. */
function presenceTable(runs: Two<ComparedRun>, [a, b]: Two<EvaluationReport>): Html | false {
  const [first, second] = [a.byPresence ?? {}, b.byPresence ?? {}];
  const kinds = (Object.keys(first) as Mode[]).filter((has) => has in second);
  if (kinds.length < 2) return false;
  const rows = kinds.map((has) => [
    presenceNames[has],
    ...better([first[has]!.accuracy, second[has]!.accuracy], share),
  ]);
  return table('Accuracy by what the rows have', columns('the row has', runs), rows);
}

const mostLabels = 40;

function labelsTable(runs: Two<ComparedRun>, [a, b]: Two<EvaluationReport>): Html | false {
  const labels = Object.keys(a.perClass).filter((label) => Object.hasOwn(b.perClass, label));
  if (labels.length === 0) return false;
  const rows = labels
    .slice(0, mostLabels)
    .map((label) => [label, ...better([a.perClass[label]!.f1, b.perClass[label]!.f1], decimal)]);
  return table('F1 of each label', columns('label', runs), rows);
}

function curves(runs: Two<ComparedRun>): Section | undefined {
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
  const content = html`<div class="grid">
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
