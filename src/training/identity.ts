import type { Dataset } from '../datasets/example.js';
import type { EncoderConfig } from '../encoders/encoder.js';
import { InputError } from '../errors.js';
import type { BertResNetModel } from '../model.js';
import { hashKey } from '../nn/random.js';
import { resolveOptions, trainingOptionNames } from './options.js';
import type { ResolvedOptions } from './options.js';

/** What a run is, by name: everything that decides its numbers, as JSON values. */
export type RunIdentity = Readonly<Record<string, unknown>>;

/** What checkpoints of earlier versions lack. */
const notedLater: readonly string[] = ['text', 'image', 'fusion'];

/** What is hashed of a data set that has no fingerprint of its own: so many rows, evenly spread. */
const sampledRows = 1024;

/**
 * A hash of a data set: its own fingerprint where it has one, else of its labels, its size and (of
 * up to 1024 rows, evenly spread) the texts, the labels and which rows have a picture.
 */
export async function fingerprint(dataset: Dataset): Promise<string> {
  if (dataset.fingerprint !== undefined) return dataset.fingerprint;
  const count = Math.min(sampledRows, dataset.size);
  const positions = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.size) / count));
  const rows = (await dataset.examples(positions)).map(({ text, image, label }) =>
    hashKey(text ?? '\0', image === undefined ? 0 : 1, label ?? -1),
  );
  const hash = hashKey(dataset.size, ...dataset.labels, ...rows);
  return `${dataset.size} rows, ${hash.toString(16).padStart(8, '0')}`;
}

/**
 * The part of a run's identity that its options make; the epochs count where the schedule depends
 * on them.
 */
export function optionsIdentity(options: ResolvedOptions, warmupSteps: number): RunIdentity {
  const named = trainingOptionNames.filter((name) => name !== 'warmupRatio' && name !== 'mode');
  const chosen =
    options.schedule === 'constant' ? named.filter((name) => name !== 'epochs') : named;
  return { ...Object.fromEntries(chosen.map((name) => [name, options[name]])), warmupSteps };
}

/**
 * The part that the model makes beside its parameters' shapes: what its encoders and its fusion do with them. Its labels
 * are named by themselves, and its first weights are in the checkpoint.
 */
export function modelIdentity(model: BertResNetModel): RunIdentity {
  const { text, image, fusion } = model.config;
  return { text, image: withoutMeanPooling(image), fusion };
}

/** Every ResNet of earlier versions pooled by the mean, and none said so. */
function withoutMeanPooling(image: EncoderConfig & { readonly pooling?: unknown }): object {
  const { pooling, ...geometry } = image;
  return image.modelType === 'resnet' && pooling === 'mean' ? geometry : image;
}

/**
 * What a run did before there was an option: its default, which then is to do nothing, or what is said here. So a run
 * goes on with a later version, unless it is asked for something new.
 */
function valueWithout(name: string): unknown {
  if (name === 'groupByLength') return false;
  return (resolveOptions({}) as unknown as Record<string, unknown>)[name];
}

/**
 * @throws InputError naming everything in which the run of a checkpoint and the one asked for
 * differ.
 */
export function requireSameRun(saved: RunIdentity, asked: RunIdentity, where: string): void {
  const all = [...new Set([...Object.keys(saved), ...Object.keys(asked)])];
  // What an earlier version did not note cannot be compared.
  const names = all.filter((name) => Object.hasOwn(saved, name) || !notedLater.includes(name));
  const there = (name: string): string =>
    shown(Object.hasOwn(saved, name) ? saved[name] : valueWithout(name));
  const differing = names.filter((name) => there(name) !== shown(asked[name]));
  if (differing.length === 0) return;
  const list = differing.map(
    (name) => `  ${name}: ${there(name)} there, ${shown(asked[name])} now`,
  );
  throw new InputError(
    `trainer: a resumed run must be given what it began with, got something else than ` +
      `${where} has; give it that, or start anew in another folder\n${list.join('\n')}`,
  );
}

/** A value in a form that is equal for equal values, and can be read. */
function shown(value: unknown): string {
  return value === undefined ? 'not given' : JSON.stringify(value, sorted);
}

function sorted(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
