import { h, withStyle } from './dom.js';
import { count } from './format.js';

/** The confusion matrix as a table: a row a label, a column an answer, darker where there are more. */
export function confusionTable(
  confusion: readonly (readonly number[])[],
  labels: readonly string[],
): HTMLTableElement {
  const head = h('tr', {}, [
    h('td'),
    ...labels.map((label) => h('th', { scope: 'col' }, [h('span', {}, label)])),
  ]);
  const body = confusion.map((row, i) => {
    const total = Math.max(
      1,
      row.reduce((sum, n) => sum + n, 0),
    );
    const cells = row.map((n, j) => {
      const share = n / total;
      const cell = h(
        'td',
        { class: [i === j ? 'right' : 'wrong', share > 0.5 ? 'full' : ''].join(' ').trim() },
        n === 0 ? [h('span', { class: 'none' }, '0')] : count(n),
      );
      return withStyle(cell, { '--share': `${Math.round(share * 100)}%` });
    });
    return h('tr', {}, [h('th', { scope: 'row' }, labels[i]), ...cells]);
  });
  return h('table', { class: 'confusion' }, [
    h(
      'caption',
      { class: 'visually-hidden' },
      'Confusion matrix: rows are the right labels, columns the answers',
    ),
    h('thead', {}, [head]),
    h('tbody', {}, body),
  ]);
}
