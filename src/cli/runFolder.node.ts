import { access, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { BertResNetModel, InputError, OnnxModel } from '../index.js';
import type { Mode, ReportData } from '../index.js';
import { remove, writeFilesAtomic } from '../weights/files.node.js';

/** A folder that `train` left, or a saved model on its own. */
export interface RunFolder {
  readonly folder: string;
  /** Where the model is. */
  readonly model: string;
}

/**
 * Finds the model of a run folder; a folder that is itself a saved model will do.
 *
 * @throws InputError where the folder is neither.
 */
export async function openRun(folder: string, command: string): Promise<RunFolder> {
  for (const model of [join(folder, 'model'), folder]) {
    if (await exists(join(model, 'model.safetensors'))) return { folder, model };
  }
  const why = (await exists(folder)) ? 'holds no model' : 'does not exist';
  throw new InputError(
    `${command}: ${folder} ${why}; give what --out of bertresnet train named, or a saved model's folder`,
  );
}

/** Loads the model of a run folder. */
export function loadModel({ model }: RunFolder): Promise<BertResNetModel> {
  return BertResNetModel.fromPretrained(model);
}

/**
 * Keeps what a model was calibrated to, where it is: its config.json and its card, and nothing else is replaced, since
 * figures and other files may lie beside them.
 */
export async function saveCalibration(
  model: BertResNetModel,
  { model: folder }: RunFolder,
  report: ReportData,
): Promise<void> {
  const whole = join(folder, '.calibrated');
  const read = async (name: string) =>
    [join(folder, name), await readFile(join(whole, name))] as const;
  try {
    await model.save(whole, { report });
    await writeFilesAtomic([await read('config.json'), await read('README.md')]);
  } finally {
    await remove(whole);
  }
}

/** As `openRun`; an .onnx file is its own model, in the folder where it lies. */
export async function openPredictor(path: string, command: string): Promise<RunFolder> {
  if (extname(path) !== '.onnx') return openRun(path, command);
  return { folder: dirname(path), model: path };
}

/** Loads what answers rows: the model of a run folder, or an exported one. */
export function loadPredictor(found: RunFolder): Promise<BertResNetModel | OnnxModel> {
  return extname(found.model) === '.onnx'
    ? OnnxModel.fromPretrained(found.model)
    : loadModel(found);
}

/** Where an exported model goes: `model.onnx`, or `model-text.onnx` for one mode of the others. */
export function exportedFile({ folder }: RunFolder, mode: Mode): string {
  return join(folder, mode === 'both' ? 'model.onnx' : `model-${mode}.onnx`);
}

/** A JSON file of a run folder; undefined where there is none. */
export async function readRunJson<T>({ folder }: RunFolder, name: string): Promise<T | undefined> {
  const path = join(folder, name);
  if (!(await exists(path))) return undefined;
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    throw new InputError(`${path} is no JSON (${(error as Error).message})`);
  }
}

/** What of a run's training matters to whoever uses its model. */
export interface RunSettings {
  /** The number of tokens at which texts were cut. */
  readonly maxLength?: number;
}

/** The settings of a run; none where the folder is a saved model on its own. */
export async function readSettings(run: RunFolder): Promise<RunSettings> {
  const config = await readRunJson<{ readonly training?: RunSettings }>(run, 'config.json');
  return { maxLength: config?.training?.maxLength };
}

/** A file in a run folder that is named after a CSV: `metrics-test.json` for test.csv, `metrics.json` without. */
export function fileFor(
  { folder }: RunFolder,
  kind: string,
  csv: string | undefined,
  ending: string,
): string {
  const name = csv === undefined ? '' : `-${basename(csv, extname(csv))}`;
  return join(folder, `${kind}${name}${ending}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
