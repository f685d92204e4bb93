import { axis, scale, short, thinned } from './axis.js';
import type { Axis, Scale } from './axis.js';
import { html } from './html.js';
import type { Html } from './html.js';
import { table } from './page.js';

/** A line of a chart. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A faint line behind the others, such as the loss of every step. */
  readonly faint?: boolean;
}

/** A chart of lines. */
export interface LineChart {
  readonly title: string;
  /** What is measured from left to right. */
  readonly x: string;
  readonly series: readonly Series[];
  /** Where a vertical line stands, and what it means. */
  readonly mark?: { readonly x: number; readonly name: string };
  /** Writes a value; default: as short as it can be read. */
  readonly format?: (value: number) => string;
  /** Writes a mark of the axis. */
  readonly ticks?: (value: number) => string;
}

const [width, height] = [400, 230];
const frame = { left: 44, right: 14, top: 18, bottom: 44 };
/** How many points are marked, or told in a table. */
const mostPoints = 12;

interface Scales {
  readonly across: Axis;
  readonly up: Axis;
  readonly x: Scale;
  readonly y: Scale;
}

/** Lines over a shared axis, with a legend, and the numbers as a table for those who do not see it. */
export function lineChart(chart: LineChart): Html {
  const series = chart.series.filter(({ points }) => points.length > 0);
  const all = series.flatMap(({ points }) => points);
  const [across, up] = [axis(all.map(([x]) => x)), axis(all.map(([, y]) => y))];
  const x = scale(across, frame.left, width - frame.right);
  const y = scale(up, height - frame.bottom, frame.top);
  const scales = { across, up, x, y };
  return html`<figure class="chart">
    <figcaption>${chart.title}</figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${summary(chart, series)}">
      ${axes(scales, chart)} ${chart.mark && marker(scales, chart.mark)}
      ${series.map((one, i) => line(scales, one, i + 1))}
    </svg>
    ${series.length > 1 && legend(series)} ${numbers(chart, series)}
  </figure>`;
}

function line({ x, y }: Scales, { points, faint }: Series, number: number): Html {
  const path = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${x(px)} ${y(py)}`).join('');
  const dots = points.length <= mostPoints ? points : [];
  return html`<path class="line s${number} ${faint && 'faint'}" d="${path}" />${dots.map(
      ([px, py]) => html`<circle class="dot s${number}" cx="${x(px)}" cy="${y(py)}" r="3" />`,
    )}`;
}

function marker({ x }: Scales, mark: NonNullable<LineChart['mark']>): Html {
  const at = x(mark.x);
  const anchor = at > width - 60 ? 'end' : at < frame.left + 30 ? 'start' : 'middle';
  return html`<line
      class="mark"
      x1="${at}"
      x2="${at}"
      y1="${frame.top}"
      y2="${height - frame.bottom}"
    />
    <text x="${at}" y="${frame.top - 5}" text-anchor="${anchor}">${mark.name}</text>`;
}

function axes({ across, up, x, y }: Scales, { x: name, ticks = short }: LineChart): Html {
  const [right, floor] = [width - frame.right, height - frame.bottom];
  const whole = across.ticks.filter(Number.isInteger);
  const places = whole.length > 1 ? whole : across.ticks;
  return html`${up.ticks.map(
      (tick) =>
        html`<line class="grid" x1="${frame.left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}" />
          <text x="${frame.left - 6}" y="${y(tick) + 4}" text-anchor="end">${ticks(tick)}</text>`,
    )}
    ${places.map(
      (tick) =>
        html`<text x="${x(tick)}" y="${floor + 16}" text-anchor="middle">${short(tick)}</text>`,
    )} <text x="${(frame.left + right) / 2}" y="${height - 8}" text-anchor="middle">${name}</text>`;
}

function legend(series: readonly Series[]): Html {
  return html`<ul class="legend">
    ${series.map(
      ({ name, faint }, i) =>
        html`<li><i class="key s${i + 1} ${faint && 'faint'}"></i>${name}</li>`,
    )}
  </ul>`;
}

/** What a chart says, in a sentence. */
function summary({ title, x }: LineChart, series: readonly Series[]): string {
  const ends = series.map(
    ({ name, points }) => `${name} ${short(points[0]![1])} to ${short(points.at(-1)![1])}`,
  );
  return `${title}, by ${x}: ${ends.join('; ')}.`;
}

/** The numbers of the lines; of long ones the rest is left to the eye. */
function numbers({ title, x, format = short }: LineChart, series: readonly Series[]): Html {
  const told = series.filter(({ faint }) => !faint);
  const places = [...new Set(told.flatMap(({ points }) => points.map(([at]) => at)))];
  const value = ({ points }: Series, at: number): string => {
    const found = points.find(([px]) => px === at);
    return found === undefined ? '–' : format(found[1]);
  };
  const rows = thinned(
    places.toSorted((a, b) => a - b),
    mostPoints,
  ).map((at) => [short(at), ...told.map((one) => value(one, at))]);
  return html`<details>
    <summary>The numbers</summary>
    ${table(title, [{ name: x }, ...told.map(({ name }) => ({ name, figures: true }))], rows)}
  </details>`;
}
