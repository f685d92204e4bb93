/** The sizes at which a computation is traced. */
export interface Point {
  readonly batch: number;
  readonly length: number;
}

/** One number of a graph as it was at each point: a size, or an element of a constant. */
export type Series = readonly number[];

/** factor * batch^i * length^j + offset: how a number depends on the sizes of the inputs. */
export interface Formula {
  readonly factor: number;
  readonly batch: number;
  readonly length: number;
  readonly offset: number;
}

/** Whether a number is the same at every point. */
export function isFixed(series: Series): boolean {
  return series.every((value) => value === series[0]);
}

export function sameSeries(a: Series, b: Series): boolean {
  return a.every((value, i) => value === b[i]);
}

/** Powers of batch and length, the simplest first. */
const powers = [0, 1, 2]
  .flatMap((batch) => [0, 1, 2].map((length) => ({ batch, length })))
  .filter(({ batch, length }) => batch + length > 0)
  .toSorted((a, b) => a.batch + a.length - b.batch - b.length);

/** The formula that gives this number at every point, with integers alone; undefined where there is none. */
export function formulaOf(series: Series, points: readonly Point[]): Formula | undefined {
  for (const power of powers) {
    const product = points.map(
      ({ batch, length }) => batch ** power.batch * length ** power.length,
    );
    const other = product.findIndex((value) => value !== product[0]);
    if (other < 0) continue;
    const factor = (series[other]! - series[0]!) / (product[other]! - product[0]!);
    const offset = series[0]! - factor * product[0]!;
    if (!Number.isInteger(factor)) continue;
    if (
      sameSeries(
        series,
        product.map((value) => factor * value + offset),
      )
    ) {
      return { factor, ...power, offset };
    }
  }
  return undefined;
}

/** The least number of tokens that an encoder must read for its length to vary. */
export const shortestLimit = 5;

/**
 * Points that tell every formula from every other. Batches and lengths differ from each other, exceed 1, whose axes a
 * trace treats in ways of their own, and stay below the limit of the length, at which a slice of all positions is none.
 * All of them are on one side of 64 elements, up to which the engine writes constants out.
 */
export function tracePoints(maxLength = 512): Point[] {
  const longest = maxLength < 68 ? Math.min(maxLength - 1, 64) : Math.min(maxLength - 1, 89);
  const lengths = [longest - 2, longest - 1, longest] as const;
  const batches = [97, 101, 103] as const;
  const at = (b: 0 | 1 | 2, l: 0 | 1 | 2): Point => ({ batch: batches[b], length: lengths[l] });
  return [at(0, 0), at(1, 0), at(0, 1), at(1, 1), at(2, 2)];
}
