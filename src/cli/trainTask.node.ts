import { access, readFile, readdir } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { InputError, messageOf, notebookRecipe } from '../index.js';
import type { Augmentation, TrainerOptions, TrainingOptions } from '../index.js';
import { optionName } from './options.js';
import { defined, options, pathOptions, resumable, trainingOf } from './trainOptions.js';
import type { TrainValues } from './trainOptions.js';

/** What `train` was asked for, as config.json keeps it under `command`: paths are relative to the run folder. */
export interface TrainRecord extends TrainValues {
  /** The CSV file of the rows to train on. */
  readonly train: string;
}

/** Options whose value is always a path, and never a hub id or a name. */
const dataOptions: readonly (keyof TrainValues)[] = ['val', 'exclude', 'cacheFeatures'];

/** What `train` is to do. */
export interface TrainTask {
  readonly train: string;
  readonly folder: string;
  readonly resume: boolean;
  readonly values: TrainValues;
}

/** What `train` was given: its rows, and its options. */
export interface Given {
  readonly train: string | undefined;
  readonly values: TrainValues;
}

/**
 * What was given, and beneath it what the file of `--config` says: the config.json of a run, or what `tune` wrote. Its
 * paths are relative to the file; where its run was kept is not taken over.
 *
 * @throws InputError where the file is none of `train`, or holds an option that is unknown or out of its range.
 */
export async function withConfig({ train, values }: Given): Promise<Given> {
  const { config, ...given } = values;
  if (config === undefined) return { train, values };
  const record = await readRecord(config, 'there is no such file for --config');
  const { train: rows, ...stored } = await located(record, dirname(config));
  return { train: train ?? rows, values: { ...checked(stored, config), ...given } };
}

/** Options of a file, read as those of a command line. */
function checked(stored: TrainValues, file: string): TrainValues {
  const entries = Object.entries(stored).map(([key, value]) => {
    const option = Object.hasOwn(options, key) ? options[key as keyof TrainValues] : undefined;
    if (option === undefined) {
      throw new InputError(
        `train: ${file} has the option '${key}', which train does not know; it is of another version`,
      );
    }
    return [key, option.read(String(value), `train: ${optionName(key)} of ${file}`)];
  });
  return Object.fromEntries(entries) as TrainValues;
}

/** A task for a new run. @throws InputError where there are no rows to train on, or its folder holds a run */
export async function newTask(train: string | undefined, values: TrainValues): Promise<TrainTask> {
  if (train === undefined) {
    throw new InputError(
      'train: CSV is missing (the rows to train on), or --resume RUN to go on with a run',
    );
  }
  const folder = values.out ?? (await freeFolder());
  if (!values.overwrite) await requireFree(folder);
  return { train, folder, resume: false, values };
}

/** The trainer would refuse the folder as well, but only once the model is made. @throws InputError where it holds a run */
async function requireFree(folder: string): Promise<void> {
  if (!(await exists(join(folder, 'config.json')))) return;
  throw new InputError(
    `train: ${folder} holds a run; --resume goes on with it, --overwrite replaces it, or name another --out`,
  );
}

/**
 * The task of going on with a run: what it was started with, its files where they are now. Options may be repeated;
 * where `--out` names the run and nothing has been written there, it begins.
 *
 * @throws InputError where the folder holds no run of `train`, or an option is given that would change its numbers.
 */
export async function resumedTask(
  train: string | undefined,
  given: TrainValues,
): Promise<TrainTask> {
  const { resume, out, ...others } = given;
  const folder = resume || out;
  if (folder === undefined) {
    throw new InputError('train: --resume needs the folder of the run, behind it or as --out');
  }
  if (resume && out !== undefined && resolve(out) !== resolve(folder)) {
    throw new InputError(`train: --resume ${resume} goes on there, so --out cannot be ${out}`);
  }
  if (!resume && train !== undefined && !(await exists(join(folder, 'config.json')))) {
    return newTask(train, { ...others, out });
  }
  const record = await readRecord(
    join(folder, 'config.json'),
    `${folder} holds no run to go on with`,
  );
  requireSame(record, others);
  const { train: rows, ...stored } = await located(record, folder);
  const task = { train: train ?? rows, folder, resume: true, values: { ...stored, ...others } };
  await requireFiles(task);
  return task;
}

/** @throws InputError where an option that decides the numbers is not as the run was started with */
function requireSame(record: TrainRecord, given: TrainValues): void {
  const changed = (Object.keys(given) as (keyof TrainValues)[]).filter(
    (key) => !resumable.includes(key) && !isDeepStrictEqual(given[key], record[key]),
  );
  if (changed.length === 0) return;
  const names = changed.map((key) => `--${optionName(key)}`).join(', ');
  throw new InputError(
    `train: --resume goes on exactly as the run was started, so ${names} cannot change`,
  );
}

/** @throws InputError where a CSV file is not where it was, seen from the run folder */
async function requireFiles({ train, folder, values: { val, exclude } }: TrainTask): Promise<void> {
  const files = { 'train FILE': train, '--val FILE': val, '--exclude FILE': exclude };
  for (const [how, path] of Object.entries(files)) {
    if (path === undefined || isAddress(path) || (await exists(path))) continue;
    throw new InputError(
      `train: ${path}, which the run of ${folder} reads, is not there; name it again (${how})`,
    );
  }
}

/** What config.json is to keep of a task. */
export async function recordOf({ train, folder, values }: TrainTask): Promise<TrainRecord> {
  const { out: _, resume: __, overwrite: ___, json: ____, config: _____, ...kept } = values;
  const paths: Record<string, string> = {};
  for (const key of pathOptions) {
    let value = values[key] as string | undefined;
    // What is left out may be named as it lies beside the rows.
    if (value && key === 'exclude' && !(await exists(value))) value = besideOf(train, value);
    if (value && (dataOptions.includes(key) || (await exists(value))))
      paths[key] = fromFolder(folder, value);
  }
  return { ...kept, ...paths, train: fromFolder(folder, train) };
}

/** What the trainer is told of a task. */
export async function trainerOptions({
  folder,
  resume,
  values,
}: TrainTask): Promise<TrainerOptions> {
  const { checkpointMinutes, checkpointSteps, evalBatchSize, gradientCheckpointing, overwrite } =
    values;
  const { tensorboard } = values;
  return {
    ...(await trainingOptionsOf(values)),
    ...defined({ checkpointMinutes, checkpointSteps, evalBatchSize }),
    ...defined({ gradientCheckpointing, overwrite, tensorboard }),
    ...defined({ outputDir: folder, resume, cacheFeatures: cacheFolder(values) }),
  };
}

/** What decides the numbers: the notebook's recipe where it is asked for, and over it what was given. */
export async function trainingOptionsOf(values: TrainValues): Promise<TrainingOptions> {
  const recipe = notebookRecipe().training;
  const { augment, warmup } = values;
  return {
    ...(values.notebook ? recipe : {}),
    ...(values.notebook && warmup !== undefined ? { warmupSteps: undefined } : {}),
    ...trainingOf(values),
    ...(augment === undefined ? {} : { augment: await readAugmentation(augment, recipe.augment) }),
  };
}

/** Where features are kept: an empty name is the folder that all runs share. */
export function cacheFolder({ cacheFeatures }: TrainValues): true | string | undefined {
  return cacheFeatures === '' ? true : cacheFeatures;
}

/** Random changes to rows as `--augment` names them. */
async function readAugmentation(
  source: string,
  crop: Augmentation | undefined,
): Promise<Augmentation | undefined> {
  if (source === 'none') return undefined;
  if (source === 'crop') return crop;
  try {
    return JSON.parse(await readFile(source, 'utf8')) as Augmentation;
  } catch (error) {
    throw new InputError(
      `train: --augment is none, crop or a JSON file, got '${source}' (${(error as Error).message})`,
    );
  }
}

/** Whether a run has saved an epoch. */
export function holdsModel(folder: string): Promise<boolean> {
  return exists(join(folder, 'model', 'model.safetensors'));
}

async function readRecord(path: string, without: string): Promise<TrainRecord> {
  if (!(await exists(path))) throw new InputError(`train: ${without} (${path} is missing)`);
  let json: { readonly command?: TrainRecord };
  try {
    json = JSON.parse(await readFile(path, 'utf8')) as typeof json;
  } catch (error) {
    throw new InputError(`train: ${path} must be JSON (${messageOf(error)})`);
  }
  if (json.command !== undefined) return json.command;
  throw new InputError(
    `train: ${path} was not written by the command line; go on with its run in code`,
  );
}

/** A record with its paths as they are from here; what is no path, such as a hub id, stays. */
export async function located(record: TrainRecord, folder: string): Promise<TrainRecord> {
  const found: Record<string, string> = { train: inFolder(folder, record.train) };
  for (const key of pathOptions) {
    const value = record[key] as string | undefined;
    if (!value) continue;
    const path = inFolder(folder, value);
    if (dataOptions.includes(key) || (await exists(path))) found[key] = path;
  }
  return { ...record, ...found };
}

function fromFolder(folder: string, path: string): string {
  if (isAddress(path)) return path;
  return relative(resolve(folder), resolve(path)).replaceAll('\\', '/');
}

function inFolder(folder: string, path: string): string {
  return isAddress(path) ? path : resolve(folder, path);
}

/** What a name means that is seen from where a file lies. */
function besideOf(file: string, name: string): string {
  if (isAddress(name)) return name;
  return isAddress(file) ? new URL(name, file).href : resolve(dirname(file), name);
}

/** Rows may come from a web server as well, wherever the run folder is. */
export const isAddress = (path: string): boolean => /^https?:/i.test(path);

async function freeFolder(): Promise<string> {
  const taken = new Set(await readdir('results').catch(() => []));
  for (let i = 1; ; i++) if (!taken.has(`run${i}`)) return `results/run${i}`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
