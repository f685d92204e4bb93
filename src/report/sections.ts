import type { Mode } from '../fusion/fusion.js';
import type { Interval } from '../evaluation/bootstrap.js';
import type { ModeReport, PresenceReport } from '../training/evaluate.js';
import type { EpochRecord, StepRecord } from '../training/records.js';
import { lineChart } from './chart.js';
import { confusion } from './confusion.js';
import { modeNames, presenceNames } from './curves.js';
import { count, decimal, percent, plural, wholePercent } from './figures.js';
import { html } from './html.js';
import type { Content, Html } from './html.js';
import { bar, table } from './page.js';
import type { Column, Section } from './page.js';
import { reliabilityDiagram } from './reliability.js';
import { reliance } from './reliance.js';
import type { Mistake, ReportedLeakage, TestedRows } from './reportData.js';

const figures = (...names: string[]): Column[] => names.map((name) => ({ name, figures: true }));

/** An interval as people read it. */
export function rangeOf(interval: Interval | undefined, format: (value: number) => string): string {
  return interval === undefined ? '' : `${format(interval.low)} to ${format(interval.high)}`;
}

/** A figure in large. */
export function tile(name: string, value: string, more?: Content): Html {
  return html`<div class="tile">
    <dt>${name}</dt>
    <dd class="value">${value}</dd>
    ${more && html`<dd>${more}</dd>`}
  </div>`;
}

/** The figures that matter most, and what they are to be compared with. */
export function summary(test: TestedRows, leakage: ReportedLeakage | undefined): Section {
  const { figures: found, intervals, majority, calibratedOn } = test;
  const { accuracy, macroF1, loss, ece, calibrated, mode } = found;
  const own = intervals[mode];
  const content = html`<p>
      Of ${plural(found.rows, 'row')} of ${test.name}, ${percent(accuracy)} are answered rightly
      from ${modeNames[mode]}. Always answering “${majority.label}” would be right in
      ${percent(majority.share)}.
    </p>
    <dl class="tiles">
      ${tile('Accuracy', percent(accuracy), rangeOf(own?.accuracy, percent))}
      ${tile('Macro F1', decimal(macroF1), rangeOf(own?.macroF1, decimal))}
      ${tile('Log loss', decimal(calibrated?.loss ?? loss), calibrated && `${decimal(loss)} before calibration`)}
      ${tile('Calibration error', decimal(calibrated?.ece ?? ece), calibrated && `${decimal(ece)} before calibration`)}
      ${found.auc !== null && tile('AUC', decimal(found.auc), 'one label against the rest')}
    </dl>
    ${leakage && leakageNote(leakage)}
    <p class="quiet">
      The ranges below a figure hold 95% of what it would be on other rows of the same kind
      (bootstrap).
      ${calibratedOn === test.name && 'The temperature was fitted on these very rows, so the calibrated figures flatter; measure them on a test.'}
    </p>`;
  return { id: 'summary', title: 'Summary', content };
}

function leakageNote({ counts, test, without }: ReportedLeakage): Html | false {
  if (counts.rows === 0) return false;
  return html`<p class="note">
    <strong>${plural(counts.rows, 'row')}</strong> (${percent(counts.rows / test.rows)}) have a text
    or a picture that was trained on, or nearly so: see <a href="#leakage">leakage</a>.
    ${without && html`On the other ${count(without.rows)} the accuracy is <strong>${percent(without.accuracy)}</strong>.`}
  </p>`;
}

/** Each label, and what its rows were taken for. */
export function classes({ figures: found }: TestedRows, labels: readonly string[]): Section {
  const rows = labels.map((label) => {
    const { precision, recall, f1, support } = found.perClass[label]!;
    return [label, decimal(precision), decimal(recall), bar(f1, decimal(f1)), count(support)];
  });
  const content = html`<p class="quiet">
      Precision: of the rows that were given the label, the share that has it. Recall: of the rows
      that have it, the share that was given it.
    </p>
    ${table(
      'Figures of each label',
      [{ name: 'label' }, ...figures('precision', 'recall', 'F1', 'rows')],
      rows,
    )}
    ${confusion(found.confusion, labels)}`;
  return { id: 'classes', title: 'Labels and confusions', content };
}

/** The figures by what answers rest on, and by what rows have, and how much they rest on each input. */
export function modalities(
  test: TestedRows,
  history: readonly (StepRecord | EpochRecord)[],
): Section {
  const { figures: found, intervals } = test;
  const modes = Object.entries(found.modes) as [Mode, ModeReport][];
  const rows = modes.map(([mode, one]) => [
    modeNames[mode],
    count(one.rows),
    bar(one.accuracy, percent(one.accuracy)),
    rangeOf(intervals[mode]?.accuracy, percent),
    decimal(one.macroF1),
    decimal(one.calibrated?.loss ?? one.loss),
    decimal(one.calibrated?.ece ?? one.ece),
  ]);
  const content = html`${table(
    'By what the answers rest on',
    [
      { name: 'input' },
      ...figures('rows', 'accuracy', '95% interval', 'macro F1', 'log loss', 'calibration error'),
    ],
    rows,
  )}
  ${byPresence(test)} ${reliance(history)}`;
  return { id: 'modalities', title: 'Text, image, both', content };
}

/** Nothing where all rows have the same inputs. */
function byPresence({ figures: found, presenceIntervals }: TestedRows): Html | false {
  const kinds = Object.entries(found.byPresence ?? {}) as [Mode, PresenceReport][];
  if (kinds.length < 2) return false;
  const rows = kinds.map(([has, one]) => [
    presenceNames[has],
    count(one.rows),
    bar(one.accuracy, percent(one.accuracy)),
    rangeOf(presenceIntervals[has], percent),
    decimal(one.macroF1),
  ]);
  return table(
    'By what the rows have (each answered from all it has)',
    [{ name: 'the row has' }, ...figures('rows', 'accuracy', '95% interval', 'macro F1')],
    rows,
  );
}

/** Whether probabilities mean what they say. */
export function calibration(test: TestedRows): Section {
  const { reliability, coverage, temperatures, calibratedOn } = test;
  const fitted = Object.entries(temperatures) as [Mode, number][];
  const content = html`<p class="quiet">
      Rows by the probability of their answer. Were the probabilities true, the columns would end at
      the dashed line; the frames are what is missing or too much. The small columns below are the
      numbers of rows.
      ${
        calibratedOn !== undefined &&
        html`Temperatures fitted on ${calibratedOn}:
        ${fitted.map(([mode, value], i) => `${i === 0 ? '' : ', '}${modeNames[mode]} ${value.toFixed(2)}`)}.`
      }
    </p>
    <div class="grid">
      ${reliabilityDiagram(reliability.calibrated ? 'Before calibration' : 'Reliability', reliability.plain)}
      ${reliability.calibrated && reliabilityDiagram('After calibration', reliability.calibrated)}
      ${lineChart({
        title: 'Accuracy of the surest answers',
        x: 'share of rows answered (%)',
        series: [
          {
            name: 'answers of at least a probability',
            points: coverage.map(([kept, right]) => [100 * kept, right]),
          },
        ],
        format: percent,
        ticks: wholePercent,
      })}
    </div>`;
  return { id: 'calibration', title: 'Calibration', content };
}

/** The wrong answers that were given most surely. */
export function mistakes(found: readonly Mistake[]): Section {
  const content = html`<p class="quiet">
      The wrong answers that the model was surest of: its misunderstandings, and the labels that are
      wrong in the data. Pictures are shown as the model reads them, without transparency.
    </p>
    <ul class="mistakes">
      ${found.map(mistake)}
    </ul>`;
  return { id: 'mistakes', title: 'The surest mistakes', content };
}

function mistake(one: Mistake): Html {
  const { row, text, image, label, prediction, probability, labelProbability } = one;
  return html`<li>
    <div class="picture">
      ${image === undefined ? 'no picture' : html`<img src="${image}" alt="Picture of ${row}" />`}
    </div>
    <div class="words">
      ${text === undefined ? html`<span class="quiet">no text</span>` : html`<blockquote>${text}</blockquote>`}
      <span
        >Taken for <strong>${prediction}</strong> (${percent(probability)}), is
        <strong>${label}</strong> (${percent(labelProbability)})</span
      >
      <span class="row">${row}</span>
    </div>
  </li>`;
}

const mostLeaked = 50;

/** The rows of the test that were trained on. */
export function leakage(found: ReportedLeakage): Section {
  const { counts, rows, train, test, unreadable, without } = found;
  const unread =
    unreadable > 0 && ` ${plural(unreadable, 'picture')} could not be read and was not compared.`;
  const content =
    counts.rows === 0
      ? html`<p>
          No row of ${test.name} has a text or a picture that was trained on (${train.name}), or
          nearly so.${unread}
        </p>`
      : html`<p>
            ${plural(counts.rows, 'row')} of ${count(test.rows)} have a text or a picture that was
            trained on (${train.name}), or nearly so. A figure on such rows says how well the model
            remembers.
            ${without && `Without them the accuracy is ${percent(without.accuracy)} (${plural(without.rows, 'row')}).`}${unread}
          </p>
          ${table(
            'Rows whose text or picture was trained on',
            [{ name: 'part' }, ...figures('the same', 'nearly the same')],
            [
              ['text', count(counts.sameText), count(counts.nearText)],
              ['picture', count(counts.sameImage), count(counts.nearImage)],
            ],
          )}
          ${leakedRows(rows)}`;
  return { id: 'leakage', title: 'Leakage', content };
}

function leakedRows(rows: ReportedLeakage['rows']): Html {
  const where = (part: ReportedLeakage['rows'][number]['text']): string => {
    if (part === undefined) return '–';
    return `${part.same ? 'same' : `near (${percent(part.similarity)})`}: ${part.trainRow}`;
  };
  const shown = rows
    .slice(0, mostLeaked)
    .map(({ row, text, image }) => [row, where(text), where(image)]);
  const title =
    rows.length > mostLeaked ? `The first ${mostLeaked} of ${count(rows.length)} rows` : 'The rows';
  return html`<details>
    <summary>${title}</summary>
    ${table(title, [{ name: 'row' }, { name: 'text' }, { name: 'picture' }], shown)}
  </details>`;
}
