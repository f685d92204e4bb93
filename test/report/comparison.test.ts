import { describe, expect, it } from 'vitest';
import type { AnswerRecord } from '../../src/report/answerTable.js';
import type { ComparedFigures, ComparedRun } from '../../src/report/compare.js';
import { compareHtml } from '../../src/report/comparison.js';
import { classificationReport } from '../../src/training/metrics.js';
import type { EpochRecord } from '../../src/training/records.js';
import { tableOf, textOf } from './tables.js';

const names = ['no', 'yes'];

/** A row that has the label of its number's parity, answered rightly or not. */
function answer(row: number, right: boolean, probability = 0.75): AnswerRecord {
  const label = names[row % 2]!;
  const prediction = right ? label : names[1 - (row % 2)]!;
  const mode = row < 4 ? 'text' : 'both';
  return { row: `row ${row}`, key: `k${row}`, mode, label, prediction, probability };
}

/** The figures of answers, as `evaluate` has them. */
function figuresOf(answers: readonly AnswerRecord[]): ComparedFigures {
  const labels = answers.map(({ label }) => names.indexOf(label));
  const logits = answers.flatMap(({ prediction, probability: p }) => {
    const scores = [Math.log(1 - p), Math.log(p)];
    return prediction === 'yes' ? scores : scores.toReversed();
  });
  const one = { ...classificationReport(labels, logits, names), missing: {} };
  return { figures: { ...one, mode: 'both', modes: { both: one } }, answers };
}

const epoch: EpochRecord = {
  ...{ kind: 'epoch', epoch: 1, step: 1, loss: 1, learningRate: 0.1, best: true },
  validation: {
    accuracy: 0.5,
    loss: 1,
    macroF1: 0.5,
    weightedF1: 0.5,
    auc: null,
    ece: 0,
    modes: {},
  },
};

function run(name: string, validation: ComparedFigures): ComparedRun {
  return { name, tests: { validation }, history: [epoch, { ...epoch, epoch: 2 }] };
}

/** Rows 0 to 7, of which the last two are wrong, and rows 2 to 11: what both answered is 2 to 7. */
const first = [0, 1, 2, 3, 4, 5, 6, 7].map((row) => answer(row, row < 6));
const second = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map((row) => answer(row, row === 2, 0.95));

describe('a comparison of runs that were tested on', () => {
  it('the same rows: all figures, the better one marked', () => {
    const other = first.map((_, i) => answer(i, i !== 1, 0.95)).toReversed();
    const page = compareHtml(run('a', figuresOf(first)), run('b', figuresOf(other)));
    expect(textOf(page)).toContain('Both were tested on validation.');
    expect(textOf(page)).not.toContain('not tested on the same rows');
    expect(textOf(page)).not.toContain('own validation rows');
    const [accuracy, , loss] = tableOf(page, 'From text and image');
    expect(accuracy).toEqual(['accuracy', '75.0%', '*87.5%']);
    expect(loss![0]).toBe('log loss');
  });

  it('some of the same rows: says so, and the figures are of those that both answered', () => {
    const page = compareHtml(run('a', figuresOf(first)), run('b', figuresOf(second)));
    expect(textOf(page)).toContain('Both were tested on 6 rows of validation.');
    expect(textOf(page)).toContain(
      'not tested on the same rows: 2 rows by a alone, 4 rows by b alone. ' +
        'All figures here are of the 6 rows that both answered',
    );
    expect(textOf(page)).toContain('On the 6 rows that both answered');
    expect(textOf(page)).toContain('Each on its own validation rows.');
    expect(textOf(page)).not.toContain('From text and image');
    // Of a, rows 2 to 5 are right and 6 and 7 wrong; of b, row 2 alone is right.
    expect(tableOf(page, 'The rows that both answered')).toEqual([
      ['accuracy', '*66.7%', '16.7%'],
      ['macro F1', '*0.667', '0.143'],
      ['calibration error', '*0.083', '0.783'],
    ]);
    expect(tableOf(page, 'F1 of each label')).toEqual([
      ['no', '*0.667', '0.286'],
      ['yes', '*0.667', '0.000'],
    ]);
    expect(tableOf(page, 'Accuracy by what the rows have')).toEqual([
      ['a text only', '*100.0%', '50.0%'],
      ['both', '*50.0%', '0.0%'],
    ]);
  });

  it('none of the same rows: marks nothing, and says why', () => {
    const others = first.map((one) => ({ ...one, key: `other ${one.key}` }));
    const worse = others.map((one) => ({ ...one, prediction: 'no' }));
    const page = compareHtml(run('a', figuresOf(first)), run('b', figuresOf(worse)));
    expect(textOf(page)).toContain('No rows that both were tested on.');
    expect(textOf(page)).toContain('No row was answered by both.');
    expect(textOf(page)).toContain('none is marked as the better one');
    expect(textOf(page)).not.toContain('The better of two figures is bold');
    expect(page).not.toContain('class="best"');
    expect(tableOf(page, 'From text and image')[0]).toEqual(['accuracy', '75.0%', '50.0%']);
  });

  it('rows that are not known: marks nothing, and says why', () => {
    const { figures } = figuresOf(second);
    const page = compareHtml(run('a', figuresOf(first)), run('b', { figures }));
    expect(textOf(page)).toContain('No rows that both are known to have been tested on.');
    expect(textOf(page)).toContain('The answers of b are not there');
    expect(page).not.toContain('class="best"');
  });
});
