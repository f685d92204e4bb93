import { count, percent, plural } from './figures.js';
import { html } from './html.js';
import type { Html } from './html.js';
import { table } from './page.js';

/** A matrix of more labels is no longer read; its largest entries are. */
const mostLabels = 20;
const mostPairs = 15;

/** What the rows of each label were taken for: a matrix, or where there are many labels the mistakes that are most frequent. */
export function confusion(counts: readonly (readonly number[])[], labels: readonly string[]): Html {
  if (labels.length > mostLabels) return frequentMistakes(counts, labels);
  const caption =
    'A line is what rows are, a column what they were taken for; shares are of the line.';
  return html`<p class="caption">${caption}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">
      <table class="matrix">
        <thead>
          <tr>
            <th scope="col">is</th>
            ${labels.map((label) => html`<th scope="col">${label}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${counts.map(
            (row, label) =>
              html`<tr>
                <th scope="row">${labels[label]}</th>
                ${row.map((n, prediction) => cell(row, n, label === prediction))}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

function cell(row: readonly number[], n: number, right: boolean): Html {
  if (n === 0) return html`<td class="none">0</td>`;
  const share = n / row.reduce((sum, count) => sum + count, 0);
  return html`<td class="${right ? 'right' : ''}" style="--share:${share.toFixed(3)}">
    ${count(n)}<small>${percent(share)}</small>
  </td>`;
}

function frequentMistakes(counts: readonly (readonly number[])[], labels: readonly string[]): Html {
  const pairs = counts
    .flatMap((row, label) => row.map((n, prediction) => ({ n, label, prediction })))
    .filter(({ n, label, prediction }) => n > 0 && label !== prediction)
    .toSorted((a, b) => b.n - a.n);
  const rows = pairs
    .slice(0, mostPairs)
    .map(({ n, label, prediction }) => [labels[label]!, labels[prediction]!, count(n)]);
  const left = pairs.length - rows.length;
  return html`${table(
    'The most frequent mistakes',
    [{ name: 'is' }, { name: 'was taken for' }, { name: 'rows', figures: true }],
    rows,
  )}
  ${left > 0 && html`<p class="quiet">${plural(left, 'pair')} of labels more are mistaken.</p>`}`;
}
