import { InputError } from '../errors.js';

/** What {@link mcnemar} finds. */
export interface McNemarResult {
  /** How many rows only the first answers rightly. */
  readonly onlyFirst: number;
  /** How many rows only the second answers rightly. */
  readonly onlySecond: number;
  /** The chi-squared statistic, or the smaller of the two counts where the test is exact. */
  readonly statistic: number;
  /** How probable so uneven counts, or more so, are where the two are equally good. */
  readonly pValue: number;
  /** Whether the binomial distribution was used: there are few rows that tell the two apart. */
  readonly exact: boolean;
}

/** From so many discordant rows on chi-squared is near enough. */
const fewDiscordant = 25;

/**
 * McNemar's test (1947) of two classifiers on the same rows: whether one is right more often where
 * they differ than chance would have it. Exact (binomial, two-sided) below 25 such rows, else
 * chi-squared with one degree of freedom and Edwards' continuity correction.
 *
 * @param labels the class of each row
 * @param first what the first classifier answered to each row
 * @param second what the second answered
 * @throws InputError where the lengths differ.
 */
export function mcnemar(
  labels: ArrayLike<number>,
  first: ArrayLike<number>,
  second: ArrayLike<number>,
): McNemarResult {
  const rows = labels.length;
  if (first.length !== rows || second.length !== rows) {
    throw new InputError(
      'mcnemar: both must answer the same rows, ' +
        `got ${rows} labels, ${first.length} and ${second.length} answers`,
    );
  }
  let [onlyFirst, onlySecond] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const [a, b] = [first[row] === labels[row], second[row] === labels[row]];
    if (a && !b) onlyFirst += 1;
    if (b && !a) onlySecond += 1;
  }
  return mcnemarOf(onlyFirst, onlySecond);
}

/** McNemar's test from the counts of the rows that only one of the two answers rightly. */
export function mcnemarOf(onlyFirst: number, onlySecond: number): McNemarResult {
  const discordant = onlyFirst + onlySecond;
  const counts = { onlyFirst, onlySecond };
  if (discordant < fewDiscordant) {
    const statistic = Math.min(onlyFirst, onlySecond);
    const pValue = Math.min(1, 2 * binomialTail(statistic, discordant));
    return { ...counts, statistic, pValue, exact: true };
  }
  // Equal counts are as even as can be: the correction must not make them less so.
  const statistic = Math.max(0, Math.abs(onlyFirst - onlySecond) - 1) ** 2 / discordant;
  return { ...counts, statistic, pValue: erfc(Math.sqrt(statistic / 2)), exact: false };
}

/** The chance of at most `most` heads among `tosses` of a fair coin. */
function binomialTail(most: number, tosses: number): number {
  let [sum, ways] = [0, 1];
  for (let heads = 0; heads <= most; heads++) {
    sum += ways;
    ways = (ways * (tosses - heads)) / (heads + 1);
  }
  return sum / 2 ** tosses;
}

/**
 * The complementary error function, for arguments from 0 on: its series for small ones, its continued
 * fraction for others (Abramowitz and Stegun 7.1.6 and 7.1.14).
 */
export function erfc(x: number): number {
  const scale = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (x < 2) {
    let [sum, term] = [0, 2 * x];
    for (let n = 0; term > 1e-17; n++) {
      sum += term;
      term *= (2 * x * x) / (2 * n + 3);
    }
    return 1 - scale * sum;
  }
  let fraction = x;
  for (let n = 100; n > 0; n--) fraction = x + n / 2 / fraction;
  return scale / fraction;
}
