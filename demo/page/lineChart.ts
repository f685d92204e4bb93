import { h, s, setText } from './dom.js';

export type Point = readonly [x: number, y: number];

/** One line of a chart. */
export interface Series {
  readonly name: string;
  /** Decides colour and dashes, in the style sheet. */
  readonly kind: 'text' | 'image' | 'both' | 'loss' | 'validation';
  readonly points: readonly Point[];
  /** Single values behind the line, drawn faintly. */
  readonly cloud?: readonly Point[];
}

export interface ChartOptions {
  readonly title: string;
  readonly xName: string;
  readonly format: (y: number) => string;
  /** The range of y; by default from 0 to what the points need. */
  readonly yMax?: number;
  readonly names: readonly Pick<Series, 'name' | 'kind'>[];
}

const margin = { top: 8, right: 10, bottom: 24, left: 40 };
const height = 190;

/** A line chart in SVG with a legend that says the values under the pointer, or the last ones. */
export class LineChart {
  readonly root: HTMLElement;
  readonly #options: ChartOptions;
  readonly #svg: SVGSVGElement;
  readonly #values = new Map<string, HTMLElement>();
  readonly #at: HTMLElement;
  #series: readonly Series[] = [];
  #xMax = 1;
  #pointer: number | undefined;
  #due = false;

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#svg = s('svg', { role: 'img', class: 'plot', height });
    this.#at = h('span', { class: 'at' });
    const legend = options.names.map(({ name, kind }) => {
      const value = h('b');
      this.#values.set(name, value);
      return h('li', { class: `of-${kind}` }, [swatch(), name, ' ', value]);
    });
    const caption = h('figcaption', {}, [h('h3', {}, options.title), this.#at]);
    const plot = h('div', { class: 'plot-box' }, [this.#svg]);
    this.root = h('figure', { class: 'card chart' }, [
      caption,
      h('ul', { class: 'legend' }, legend),
      plot,
    ]);
    this.#svg.addEventListener('pointermove', (event) => this.#point(event.offsetX));
    this.#svg.addEventListener('pointerleave', () => this.#point(undefined));
    new ResizeObserver(() => this.#schedule()).observe(plot);
  }

  /** Shows these lines over x from 0 to `xMax`. */
  update(series: readonly Series[], xMax: number): void {
    this.#series = series;
    this.#xMax = Math.max(1, xMax);
    this.#schedule();
  }

  #point(offset: number | undefined): void {
    this.#pointer = offset;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  #draw(): void {
    const width = this.#svg.clientWidth;
    if (width === 0) return;
    const yMax = this.#options.yMax ?? niceMax(this.#series);
    const inner = {
      width: width - margin.left - margin.right,
      height: height - margin.top - margin.bottom,
    };
    const x = (value: number): number => margin.left + (value / this.#xMax) * inner.width;
    const y = (value: number): number =>
      margin.top + (1 - Math.min(value, yMax) / yMax) * inner.height;
    const asked =
      this.#pointer === undefined
        ? undefined
        : ((this.#pointer - margin.left) / inner.width) * this.#xMax;
    const shown = this.#series.map((one) => ({ one, point: nearest(one.points, asked) }));
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#svg.setAttribute('aria-label', this.#summary());
    this.#svg.replaceChildren(
      ...this.#grid(yMax, y, width),
      ...this.#xAxis(x),
      ...this.#series.flatMap(({ cloud = [], kind }) =>
        cloud.map(([cx, cy]) =>
          s('circle', { class: `cloud of-${kind}`, cx: round(x(cx)), cy: round(y(cy)), r: 1.5 }),
        ),
      ),
      ...this.#series.map(({ points, kind }) =>
        s('path', { class: `line of-${kind}`, d: path(points, x, y) }),
      ),
      ...shown.flatMap(({ one, point }) =>
        point === undefined
          ? []
          : [
              s('circle', {
                class: `dot of-${one.kind}`,
                cx: round(x(point[0])),
                cy: round(y(point[1])),
                r: 3.5,
              }),
            ],
      ),
    );
    this.#say(shown, asked);
  }

  #grid(yMax: number, y: (value: number) => number, width: number): SVGElement[] {
    return [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
      const at = round(y(share * yMax));
      const line = s('line', {
        class: 'grid',
        x1: margin.left,
        x2: width - margin.right,
        y1: at,
        y2: at,
      });
      const text = s('text', { x: margin.left - 6, y: at + 4, 'text-anchor': 'end' }, [
        this.#options.format(share * yMax),
      ]);
      return share % 0.5 === 0 && this.#hasPoints ? [line, text] : [line];
    });
  }

  /** An empty chart has no scale. */
  get #hasPoints(): boolean {
    return this.#series.some(({ points }) => points.length > 0);
  }

  #xAxis(x: (value: number) => number): SVGElement[] {
    const label = (value: number, anchor: string): SVGElement =>
      s('text', { x: round(x(value)), y: height - 6, 'text-anchor': anchor }, [
        value === 0 ? '0' : `${this.#options.xName} ${Math.round(value)}`,
      ]);
    return this.#hasPoints ? [label(0, 'middle'), label(this.#xMax, 'end')] : [];
  }

  #say(shown: readonly { one: Series; point?: Point }[], asked: number | undefined): void {
    for (const { one, point } of shown) {
      setText(
        this.#values.get(one.name)!,
        point === undefined ? '' : this.#options.format(point[1]),
      );
    }
    const at = shown.find(({ point }) => point !== undefined)?.point?.[0];
    setText(
      this.#at,
      at === undefined || asked === undefined ? '' : `${this.#options.xName} ${Math.round(at)}`,
    );
  }

  /** The chart in a sentence. */
  #summary(): string {
    const { title, format } = this.#options;
    const parts = this.#series
      .filter(({ points }) => points.length > 0)
      .map(
        ({ name, points }) =>
          `${name} from ${format(points[0]![1])} to ${format(points.at(-1)![1])}`,
      );
    return parts.length === 0 ? `${title}: nothing yet` : `${title}: ${parts.join('; ')}`;
  }
}

function swatch(): SVGElement {
  return s(
    'svg',
    { class: 'swatch', viewBox: '0 0 18 8', width: 18, height: 8, 'aria-hidden': true },
    [s('path', { class: 'line', d: 'M1 4h16' })],
  );
}

const round = (value: number): number => Math.round(value * 10) / 10;

function path(
  points: readonly Point[],
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  return points
    .map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${round(x(px))} ${round(y(py))}`)
    .join('');
}

function nearest(points: readonly Point[], x: number | undefined): Point | undefined {
  if (x === undefined) return points.at(-1);
  return points.reduce<Point | undefined>(
    (best, point) =>
      best === undefined || Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best,
    undefined,
  );
}

/** A round number that the points fit below. */
function niceMax(series: readonly Series[]): number {
  const top = Math.max(
    0.01,
    ...series.flatMap(({ points, cloud = [] }) => [...points, ...cloud].map(([, y]) => y)),
  );
  const unit = 10 ** Math.floor(Math.log10(top));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10]
    .map((step) => step * unit)
    .find((max) => max >= top * 1.02)!;
}
