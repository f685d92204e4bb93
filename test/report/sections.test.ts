import { describe, expect, it } from 'vitest';
import { reportHtml } from '../../src/report/report.js';
import type { ReportData, ReportedLeakage, TestedRows } from '../../src/report/reportData.js';
import type { EpochRecord } from '../../src/training/records.js';
import type { Reliance } from '../../src/training/reliance.js';
import { classificationReport, reliabilityBins } from '../../src/training/metrics.js';
import { tableOf, textOf } from './tables.js';

const attack = '<img src=x onerror="alert(1)">';
const names = ['cold', attack, 'warm'];
const escapedName = '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;';

/** Eight rows: label, prediction and the probability of that. */
const rows = [
  ...[
    [0, 0, 0.92],
    [0, 0, 0.65],
    [0, 0, 0.92],
    [0, 2, 0.65],
  ],
  ...[
    [1, 1, 0.65],
    [1, 2, 0.92],
    [2, 2, 0.65],
    [2, 0, 0.65],
  ],
] as const;

/** Logits whose softmax, over a temperature, has the probability at the prediction. */
const logits = rows.flatMap(([, prediction, p]) =>
  names.map((_, c) => Math.log(c === prediction ? p : (1 - p) / 2)),
);
const labels = rows.map(([label]) => label);
const softened = logits.map((logit) => logit / 2);

function probabilities(values: readonly number[]) {
  const exponents = values.map(Math.exp);
  const sums = rows.map((_, row) =>
    exponents.slice(3 * row, 3 * row + 3).reduce((sum, one) => sum + one),
  );
  return { values: exponents.map((one, i) => one / sums[Math.floor(i / 3)]!), classes: 3 };
}

const both = {
  ...classificationReport(labels, logits, names),
  calibrated: { loss: 0.9, ece: 0.111 },
  missing: {},
};
const text = {
  ...both,
  rows: 6,
  accuracy: 0.5,
  macroF1: 0.4321,
  calibrated: undefined,
  ece: 0.222,
};

const test: TestedRows = {
  name: `test ${attack}.csv`,
  rows: 8,
  majority: { label: 'cold', share: 0.5 },
  figures: {
    ...{ ...both, mode: 'both', modes: { text, both } },
    byPresence: {
      text: { rows: 2, accuracy: 0.5, macroF1: 0.3333 },
      both: { rows: 6, accuracy: 0.6667, macroF1: 0.6 },
    },
  },
  intervals: {
    both: {
      accuracy: { low: 0.25, high: 0.875 },
      macroF1: { low: 0.2, high: 0.9 },
      weightedF1: { low: 0.2, high: 0.9 },
    },
  },
  presenceIntervals: { text: { low: 0, high: 1 }, both: { low: 0.333, high: 1 } },
  reliability: {
    plain: reliabilityBins(labels, probabilities(logits), 10),
    calibrated: reliabilityBins(labels, probabilities(softened), 10),
  },
  calibratedOn: `val ${attack}.csv`,
  temperatures: { text: 1.5, both: 2 },
  coverage: [
    [0.5, 0.75],
    [1, 0.625],
  ],
  mistakes: [],
};

const leakage: ReportedLeakage = {
  train: { name: `train ${attack}.csv`, rows: 20 },
  test: { name: test.name, rows: 8 },
  counts: { sameText: 1, nearText: 1, sameImage: 0, nearImage: 1, rows: 2 },
  unreadable: 1,
  rows: [
    {
      position: 0,
      row: `row ${attack}`,
      text: { train: 4, trainRow: 'row 5', same: true, similarity: 1 },
    },
    {
      ...{ position: 3, row: 'row 4' },
      text: { train: 1, trainRow: `row ${attack}`, same: false, similarity: 0.875 },
      image: { train: 2, trainRow: 'row 3', same: false, similarity: 0.96 },
    },
  ],
  without: { rows: 6, accuracy: 2 / 3 },
};

const report: ReportData = {
  ...{ title: 'run', labels: names, test, leakage },
  command: `bertresnet train ${attack}`,
  configuration: {
    training: {
      epochs: 3,
      learningRate: { text: 0.1, [attack]: attack },
      freeze: ['text', attack],
    },
    other: attack,
  },
};

const page = reportHtml(report);

/** The part of a page by its heading's id. */
function section(id: string, of = page): string {
  return of.split(`<section id="${id}"`)[1]!.split('</section>')[0]!;
}

describe('the sections of a report', () => {
  it('summary: the figures, their ranges, and what they are to be compared with', () => {
    const said = textOf(page);
    expect(said).toContain('62.5% are answered rightly from text and image');
    expect(said).toMatch(/Always answering “cold” would be right in 50.0%/);
    expect(said).toMatch(/Accuracy 62.5% 25.0% to 87.5% Macro F1 0.606 0.200 to 0.900/);
    expect(said).toMatch(/Log loss 0.900 \d.\d{3} before calibration/);
    expect(said).toMatch(/Calibration error 0.111 0.126 before calibration/);
    expect(said).toMatch(/2 rows \(25.0%\) have a text .* On the other 6 the accuracy is 66.7%/);
  });

  it('labels: precision, recall, F1 and rows of each, and what they were taken for', () => {
    expect(tableOf(page, 'Figures of each label')).toEqual([
      ['cold', '0.750', '0.750', '0.750', '4'],
      [escapedName, '1.000', '0.500', '0.667', '2'],
      ['warm', '0.333', '0.500', '0.400', '2'],
    ]);
    const caption =
      'A line is what rows are, a column what they were taken for; shares are of the line.';
    expect(tableOf(page, caption)).toEqual([
      ['cold', '3 75.0%', '0', '1 25.0%'],
      [escapedName, '0', '1 50.0%', '1 50.0%'],
      ['warm', '1 50.0%', '0', '1 50.0%'],
    ]);
  });

  it('inputs: the figures by what answers rest on, and by what rows have', () => {
    expect(tableOf(page, 'By what the answers rest on')).toEqual([
      ['text alone', '6', '50.0%', '', '0.432', both.loss.toFixed(3), '0.222'],
      ['text and image', '8', '62.5%', '25.0% to 87.5%', '0.606', '0.900', '0.111'],
    ]);
    expect(tableOf(page, 'By what the rows have (each answered from all it has)')).toEqual([
      ['a text only', '2', '50.0%', '0.0% to 100.0%', '0.333'],
      ['both', '6', '66.7%', '33.3% to 100.0%', '0.600'],
    ]);
  });

  it('calibration: the bins before and after, and the temperatures', () => {
    // Of five rows at 0.65 three are right, of three at 0.92 two; the temperature 2 makes of them 0.491 and 0.706.
    expect(tableOf(page, 'Before calibration')).toEqual([
      ['60.0% to 70.0%', '5', '65.0%', '60.0%'],
      ['90.0% to 100.0%', '3', '92.0%', '66.7%'],
    ]);
    expect(tableOf(page, 'After calibration')).toEqual([
      ['40.0% to 50.0%', '5', '49.1%', '60.0%'],
      ['70.0% to 80.0%', '3', '70.6%', '66.7%'],
    ]);
    const said = section('calibration');
    expect(said).toContain('Before calibration: expected calibration error 0.126 over 8 rows.');
    expect(said).toContain('After calibration: expected calibration error 0.083 over 8 rows.');
    expect(said).toContain('text alone 1.50, text and image 2.00');
    // A column is as tall as the share that is right, of the 212 points that stand for all.
    const columns = said.matchAll(/<rect\s+class="column"[^>]*height="([^"]*)"/g);
    expect([...columns].map(([, height]) => Number(height))).toEqual(
      [3 / 5, 2 / 3, 3 / 5, 2 / 3].map((share) => Number((212 * share).toFixed(1))),
    );
    expect(tableOf(page, 'Accuracy of the surest answers')).toEqual([
      ['50', '75.0%'],
      ['100', '62.5%'],
    ]);
  });

  it('leakage: how many rows, which, and where they were trained on', () => {
    expect(tableOf(page, 'Rows whose text or picture was trained on')).toEqual([
      ['text', '1', '1'],
      ['picture', '0', '1'],
    ]);
    expect(tableOf(page, 'The rows')).toEqual([
      [`row ${escapedName}`, 'same: row 5', '–'],
      ['row 4', `near (87.5%): row ${escapedName}`, 'near (96.0%): row 3'],
    ]);
    const said = section('leakage').replace(/\s+/g, ' ');
    expect(said).toContain('2 rows of 8 have a text or a picture');
    expect(said).toContain('Without them the accuracy is 66.7% (6 rows).');
    expect(said).toContain('1 picture could not be read and was not compared.');
    const counts = { sameText: 0, nearText: 0, sameImage: 0, nearImage: 0, rows: 0 };
    const none = reportHtml({ ...report, leakage: { ...leakage, counts, rows: [] } });
    expect(section('leakage', none)).toMatch(/No row of [^]* has a text or a picture/);
    expect(section('summary', none)).not.toContain('href="#leakage"');
  });

  it('configuration: the options as words, all of it, and the command', () => {
    const said = section('configuration').replace(/\s+/g, ' ');
    expect(said).toContain('<dt>epochs</dt> <dd>3</dd>');
    expect(said).toContain('<dt>learning rate text</dt> <dd>0.1</dd>');
    expect(said).toContain(`<dt>freeze</dt> <dd>text, ${escapedName}</dd>`);
    expect(said).toContain(`<pre><code>bertresnet train ${escapedName}</code></pre>`);
    expect(said).toContain('&quot;other&quot;: &quot;&lt;img src=x');
  });

  it('escape all that comes from outside', () => {
    expect(page).not.toContain('<img');
    for (const id of ['summary', 'classes', 'calibration', 'leakage', 'configuration'])
      expect(section(id), id).toContain('&lt;img src=x onerror=&quot;');
  });
});

describe('how much answers rest on each input', () => {
  const epoch = (number: number, best: boolean, reliance?: Reliance): EpochRecord => ({
    ...{ kind: 'epoch', epoch: number, step: number, loss: 1, learningRate: 0.1, best, reliance },
    validation: {
      accuracy: 0.5,
      loss: 1,
      macroF1: 0.5,
      weightedF1: 0.5,
      auc: null,
      ece: 0,
      modes: {},
    },
  });
  const said = (...history: EpochRecord[]): string =>
    textOf(`</head>${section('modalities', reportHtml({ ...report, history }))}`);

  it('is that of the epoch that was kept, in rows', () => {
    const found = said(
      epoch(1, true, { text: 0.5, image: 0.5, rows: 128 }),
      epoch(2, true, { text: 48 / 128, image: 5 / 128, rows: 128 }),
      epoch(3, false, { text: 1, image: 0, rows: 128, ignored: 'image' }),
    );
    expect(found).toContain(
      'after epoch 2: of 128 validation rows that have both, 48 (37.5%) are answered otherwise ' +
        'when the text is another row’s, and 5 (3.9%) when the picture is another row’s.',
    );
    expect(found).not.toContain('ignored');
  });

  it.each([
    ['image', 'The picture is ignored: answers from both rest on the text almost alone.'],
    ['text', 'The text is ignored: answers from both rest on the picture almost alone.'],
  ] as const)('has a notice where that is hardly at all: %s', (ignored, notice) => {
    const found = { text: 0.5, image: 0.5, [ignored]: 0, rows: 100, ignored };
    expect(said(epoch(1, true, found))).toContain(notice);
  });

  it('is left out where it was not measured', () => {
    expect(said(epoch(1, true))).not.toContain('rest on, after');
    expect(said()).not.toContain('rest on, after');
  });
});
