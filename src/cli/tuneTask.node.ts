import { readFile } from 'node:fs/promises';
import { InputError, checkSearch, messageOf } from '../index.js';
import type { SearchSpace } from '../index.js';
import { optionName } from './options.js';
import { defined } from './trainOptions.js';
import type { TrainValues } from './trainOptions.js';
import { located, recordOf } from './trainTask.node.js';
import { SearchFolder } from './tuneFolder.node.js';
import type { SearchRecord, TrialRecord } from './tuneFolder.node.js';
import { defaultSpace, fixedOf, isRange, triedOptions } from './tuneOptions.js';
import type { TuneValues } from './tuneOptions.js';

/** What `tune` is to do. */
export interface SearchTask {
  readonly train: string;
  readonly folder: string;
  /** What every trial is given, from the command line. */
  readonly fixed: TrainValues;
  /** What its folder is to say. */
  readonly search: SearchRecord;
  /** Whether it goes on; one that begins has nothing in its folder yet. */
  readonly resumed: boolean;
  /** Those that were made before. */
  readonly trials: readonly TrialRecord[];
}

/** What may be given to a search that goes on. */
const changeable: readonly (keyof TuneValues)[] = [
  ...(['resume', 'out', 'budget', 'trials', 'json'] as const),
  ...(['backend', 'executionProvider', 'threads'] as const),
];

/** A search that is to begin. @throws InputError where its folder holds one, or it cannot be made */
export async function beginSearch(
  train: string | undefined,
  given: TuneValues,
): Promise<SearchTask> {
  if (train === undefined) {
    throw new InputError(
      'tune: CSV is missing (the rows to train on), or --resume FOLDER to go on with a search',
    );
  }
  const { out: folder = 'results/tune', budget, trials = 30 } = given;
  const { minEpochs = 1, maxEpochs = Math.max(5, minEpochs), seed = 42 } = given;
  const fixed = fixedOf(given);
  const space =
    given.space === undefined ? defaultSpace(fixed) : await readSpace(given.space, fixed);
  if (Object.keys(space).length === 0) {
    throw new InputError(
      'tune: something must be left to try, got nothing; give fewer options, or name some in a file (--space)',
    );
  }
  const settings = { space, seed, trials, minEpochs, maxEpochs, reduction: 3 };
  checkSearch(settings);
  await new SearchFolder(folder).requireFree();
  const command = await recordOf({ train, folder, resume: false, values: fixed });
  const search = { kind: 'search', formatVersion: 1, settings, budget, command } as const;
  return { train, folder, fixed, search, resumed: false, trials: [] };
}

/**
 * A search that goes on; only its time, its number of trials and what computes may be others. The first two are to be
 * kept, so that the search goes on with them the next time.
 */
export async function resumeSearch(
  train: string | undefined,
  given: TuneValues,
): Promise<SearchTask> {
  const folder = given.resume || given.out;
  if (folder === undefined) {
    throw new InputError('tune: --resume needs the folder of the search, behind it or as --out');
  }
  const changed = (Object.keys(given) as (keyof TuneValues)[]).find(
    (key) => !changeable.includes(key),
  );
  if (changed !== undefined || train !== undefined) {
    throw new InputError(
      'tune: --resume goes on exactly as the search was started, so ' +
        `${changed === undefined ? 'CSV' : `--${optionName(changed)}`} cannot be given`,
    );
  }
  const { search, trials } = await new SearchFolder(folder).read();
  const { train: rows, ...fixed } = await located(search.command, folder);
  const { backend, executionProvider, threads, budget = search.budget } = given;
  const settings = { ...search.settings, trials: given.trials ?? search.settings.trials };
  return {
    train: rows,
    folder,
    fixed: { ...fixed, ...defined({ backend, executionProvider, threads }) },
    search: { ...search, settings, budget },
    resumed: true,
    trials,
  };
}

/** A file of what is tried: `triedOptions` by their names on the command line. */
async function readSpace(file: string, fixed: TrainValues): Promise<SearchSpace> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new InputError(`tune: --space must be a JSON file, got '${file}' (${messageOf(error)})`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new InputError(`tune: ${file} must hold an object of options`);
  }
  const keys = Object.keys(triedOptions) as (keyof typeof triedOptions)[];
  const keyOf = (name: string) => keys.find((one) => optionName(one) === name || one === name);
  const unknown = Object.keys(json).filter((name) => keyOf(name) === undefined);
  if (unknown.length > 0) {
    throw new InputError(
      `tune: ${file} must name options of the model and of its training alone, got ` +
        `${unknown.map((name) => `'${name}'`).join(', ')}; they are ${keys.map(optionName).join(', ')}`,
    );
  }
  const entries = Object.entries(json as SearchSpace).map(([name, range]) => {
    const key = keyOf(name)!;
    if (fixed[key] !== undefined) {
      throw new InputError(`tune: --${name} is given, so ${file} cannot try values of it`);
    }
    return [key, readRange(range, key, file)] as const;
  });
  return Object.fromEntries(entries);
}

/** The values of a list and the ends of a range are read as those of a command line; the rest is left to `checkSearch`. */
function readRange(range: SearchSpace[string], key: keyof typeof triedOptions, file: string) {
  const option = triedOptions[key];
  const where = `tune: --${optionName(key)} in ${file}`;
  if (isRange(range)) {
    if (option.numbers === undefined) {
      throw new InputError(
        `${where} takes no numbers, so it must be a list of values, got ${JSON.stringify(range)}`,
      );
    }
    for (const end of [range.min, range.max])
      if (Number.isFinite(end)) option.read(String(end), where);
  }
  if (!Array.isArray(range)) return range;
  return (range as unknown[]).map((value) => {
    if (value === null) return null;
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return option.read(text, where);
  });
}
