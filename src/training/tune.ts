import { InputError } from '../errors.js';
import { Random } from '../nn/random.js';

/** The values of one option that a search tries: some of a list, or numbers of a range. */
export type SearchRange =
  | readonly unknown[]
  | {
      readonly min: number;
      readonly max: number;
      /** Whether factors are equally likely rather than differences, as is due for rates (default false). */
      readonly log?: boolean;
    };

/** What a search tries: options by name. */
export type SearchSpace = Readonly<Record<string, SearchRange>>;

/** How a search goes. */
export interface SearchSettings {
  readonly space: SearchSpace;
  /** Of the configurations that are drawn. */
  readonly seed: number;
  /** How many configurations are drawn at most. */
  readonly trials: number;
  /** The epochs that each of them is trained for at first. */
  readonly minEpochs: number;
  /** The epochs that the best are trained for. */
  readonly maxEpochs: number;
  /** One of so many goes on to so many times the epochs (3 is usual). */
  readonly reduction: number;
}

/** One configuration, trained for so many epochs. */
export interface Trial {
  /** The number of the configuration, from 0 in the order in which they are drawn. */
  readonly trial: number;
  /** How often it was chosen to be trained for longer. */
  readonly rung: number;
  readonly epochs: number;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A trial that was made. */
export interface TrialResult extends Trial {
  /** How good it became, a larger figure being better; null where it came to nothing. */
  readonly score: number | null;
}

/** The epochs of each rung, from the fewest to the most. */
export function rungEpochs({ minEpochs, maxEpochs, reduction }: SearchSettings): number[] {
  const rungs = [];
  for (let epochs = minEpochs; epochs < maxEpochs; epochs *= reduction)
    rungs.push(Math.round(epochs));
  return [...rungs, maxEpochs];
}

/** @throws InputError where a search cannot be made */
export function checkSearch({
  space,
  trials,
  minEpochs,
  maxEpochs,
  reduction,
}: SearchSettings): void {
  const integers = { trials, minEpochs, maxEpochs };
  for (const [name, value] of Object.entries(integers)) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new InputError(`tune: ${name} must be an integer of at least 1, got ${value}`);
  }
  if (minEpochs > maxEpochs) {
    throw new InputError(
      `tune: minEpochs must be at most maxEpochs, got ${minEpochs} and ${maxEpochs}`,
    );
  }
  if (!(reduction >= 2)) {
    throw new InputError(`tune: reduction must be at least 2, got ${reduction}`);
  }
  for (const [name, range] of Object.entries(space)) checkRange(name, range);
}

function checkRange(name: string, range: SearchRange): void {
  const fits = isList(range)
    ? range.length > 0
    : typeof range === 'object' &&
      range !== null &&
      Number.isFinite(range.min) &&
      Number.isFinite(range.max) &&
      range.min <= range.max &&
      (!range.log || range.min > 0);
  if (fits) return;
  throw new InputError(
    `tune: ${name} must be a list of values, or { min, max } with min at most max (and above 0 with log), ` +
      `got ${JSON.stringify(range)}`,
  );
}

function isList(range: SearchRange): range is readonly unknown[] {
  return Array.isArray(range);
}

/** The options of a configuration: a function of the seed and its number alone. */
export function drawOptions(space: SearchSpace, seed: number, trial: number): Trial['options'] {
  const drawn = Object.entries(space).map(([name, range]) => {
    const random = new Random(seed, 'tune', trial, name);
    return [name, isList(range) ? range[random.integer(range.length)] : numberOf(range, random)];
  });
  return Object.fromEntries(drawn) as Trial['options'];
}

/** To three digits: rates are read, and typed, by people. */
function numberOf(
  { min, max, log = false }: Exclude<SearchRange, readonly unknown[]>,
  random: Random,
): number {
  const share = random.uniform();
  const value = log ? min * (max / min) ** share : min + (max - min) * share;
  return Math.min(max, Math.max(min, Number(value.toPrecision(3))));
}

/**
 * What a search tries next, a function of what it found before; undefined where it is done. Successive halving without
 * waiting (ASHA; Li et al., 2020): a configuration that is among the best 1 / `reduction` of its rung is trained anew for
 * `reduction` times the epochs, the highest rung first; where there is none, a new one is drawn. Once all are drawn, the
 * best of a rung goes on in any case, so that one of them is trained for `maxEpochs`.
 */
export function nextTrial(
  results: readonly TrialResult[],
  settings: SearchSettings,
): Trial | undefined {
  const rungs = rungEpochs(settings);
  for (let rung = rungs.length - 2; rung >= 0; rung--) {
    const count = Math.floor(atRung(results, rung).length / settings.reduction);
    const found = bestLeft(results, rung, count);
    if (found !== undefined) return promoted(found, rungs);
  }
  const drawn = atRung(results, 0).length;
  if (drawn < settings.trials) {
    const options = drawOptions(settings.space, settings.seed, drawn);
    return { trial: drawn, rung: 0, epochs: rungs[0]!, options };
  }
  for (let rung = 0; rung < rungs.length - 1; rung++) {
    if (atRung(results, rung + 1).length > 0) continue;
    const found = bestLeft(results, rung, 1);
    if (found !== undefined) return promoted(found, rungs);
  }
  return undefined;
}

function atRung(results: readonly TrialResult[], rung: number): TrialResult[] {
  return results.filter((result) => result.rung === rung);
}

/** The best of so many best of a rung that have not gone on yet. */
function bestLeft(
  results: readonly TrialResult[],
  rung: number,
  count: number,
): TrialResult | undefined {
  const above = new Set(atRung(results, rung + 1).map(({ trial }) => trial));
  const best = bestFirst(atRung(results, rung)).slice(0, count);
  return best.find(({ trial }) => !above.has(trial));
}

function promoted({ trial, rung, options }: TrialResult, rungs: readonly number[]): Trial {
  return { trial, rung: rung + 1, epochs: rungs[rung + 1]!, options };
}

/** Those that came to something, the best first; of equals the one that was trained for longer, then the earlier. */
export function bestFirst<T extends TrialResult>(results: readonly T[]): T[] {
  return results
    .filter(({ score }) => score !== null)
    .toSorted((a, b) => b.score! - a.score! || b.epochs - a.epochs || a.trial - b.trial);
}
