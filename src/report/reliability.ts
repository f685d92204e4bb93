import type { ReliabilityBin } from '../training/metrics.js';
import { scale } from './axis.js';
import { count, decimal, percent, wholePercent } from './figures.js';
import { html } from './html.js';
import type { Html } from './html.js';
import { table } from './page.js';

const [width, height] = [400, 306];
const frame = { left: 62, right: 12, top: 10, bottom: 42 };
/** Where the diagram ends, and below it the counts of rows begin. */
const floor = 222;
const countsFloor = height - frame.bottom;

const unit = { low: 0, high: 1 };
const x = scale(unit, frame.left, width - frame.right);
const y = scale(unit, floor, frame.top);
const marks = [0, 0.25, 0.5, 0.75, 1];

/** A reliability diagram: how often answers are right beside how sure they were, and how many there are. */
export function reliabilityDiagram(title: string, bins: readonly ReliabilityBin[]): Html {
  const rows = bins.reduce((sum, bin) => sum + bin.rows, 0);
  const most = Math.max(...bins.map((bin) => bin.rows));
  const error = bins.reduce((sum, bin) => sum + Math.abs(bin.right - bin.confidence), 0) / rows;
  const name = `${title}: expected calibration error ${decimal(error)} over ${count(rows)} rows.`;
  return html`<figure class="chart">
    <figcaption>${title}: error ${decimal(error)}</figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${name}">
      ${marks.map(mark)}
      ${bins.map((bin, i) => column(bin, i / bins.length, 1 / bins.length, most))}
      <line class="diagonal" x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}" />
      <text x="${x(0.5)}" y="${height - 6}" text-anchor="middle">probability of the answer</text>
      <text transform="translate(14 ${y(0.5)}) rotate(-90)" text-anchor="middle">
        answers that are right
      </text>
      <text x="${x(0) - 6}" y="${countsFloor - 8}" text-anchor="end">rows</text>
    </svg>
    <details>
      <summary>The numbers</summary>
      ${numbers(title, bins)}
    </details>
  </figure>`;
}

function mark(share: number): Html {
  const anchor = share === 1 ? 'end' : 'middle';
  return html`<line class="grid" x1="${x(0)}" x2="${x(1)}" y1="${y(share)}" y2="${y(share)}" />
    <text x="${x(0) - 6}" y="${y(share) + 4}" text-anchor="end">${wholePercent(share)}</text>
    <text x="${x(share)}" y="${countsFloor + 16}" text-anchor="${anchor}"
      >${wholePercent(share)}</text
    >`;
}

/** What is right of a bin, what is missing or too much beside how sure the answers were, and the count of its rows. */
function column(bin: ReliabilityBin, low: number, share: number, most: number): Html | false {
  if (bin.rows === 0) return false;
  const [left, size] = [x(low) + 1, x(low + share) - x(low) - 2];
  const [right, sure] = [y(bin.right / bin.rows), y(bin.confidence / bin.rows)];
  const tall = (bin.rows / most) * (countsFloor - floor - 10);
  const box = (kind: string, top: number, bottom: number): Html =>
    html`<rect
      class="${kind}"
      x="${left.toFixed(1)}"
      width="${size.toFixed(1)}"
      y="${top.toFixed(1)}"
      height="${(bottom - top).toFixed(1)}"
    />`;
  return html`${box('column', right, floor)}
  ${box('gap', Math.min(right, sure), Math.max(right, sure))}
  ${box('rows', countsFloor - tall, countsFloor)}`;
}

function numbers(title: string, bins: readonly ReliabilityBin[]): Html {
  const rows = bins.flatMap((bin, i) => {
    if (bin.rows === 0) return [];
    const range = `${percent(i / bins.length)} to ${percent((i + 1) / bins.length)}`;
    const shares = [bin.confidence, bin.right].map((sum) => percent(sum / bin.rows));
    return [[range, count(bin.rows), ...shares]];
  });
  const names = ['rows', 'mean probability', 'right'];
  const columns = names.map((name) => ({ name, figures: true }));
  return table(title, [{ name: 'probability' }, ...columns], rows);
}
