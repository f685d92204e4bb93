import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { BertResNetModel } from '../model.js';
import type { HostTensor } from '../nn/stateDict.js';
import { readAndClose, writeSafetensors } from '../weights/safetensors.js';
import { openSource } from '../weights/source.js';
import type { RunIdentity } from './identity.js';
import type { Best } from './monitor.js';
import type { AdamW, AdamWMoments } from './optimizer.js';
import type { EpochRecord } from './records.js';

/** Where a run stands: always between two optimizer steps. */
export interface Position {
  /** Epochs done. */
  readonly epoch: number;
  /** Batches done in the epoch under way. */
  readonly batch: number;
  /** Optimizer steps done. */
  readonly step: number;
}

/**
 * Everything of a run that is not a tensor. Random streams need no state: they are named by the
 * position.
 */
export interface RunState {
  readonly position: Position;
  /** The losses of the epoch under way: their sum over rows, and the rows. */
  readonly epochLoss: { readonly sum: number; readonly rows: number };
  readonly best?: Best;
  readonly history: readonly EpochRecord[];
  /** The number of lines that history.jsonl had. */
  readonly historyLines: number;
}

interface SavedState extends RunState {
  readonly formatVersion: number;
  readonly identity: RunIdentity;
  readonly iterations: number;
  /** The number of updates of each parameter. */
  readonly updates: Readonly<Record<string, number>>;
}

/** A checkpoint that was read. */
export interface Checkpoint {
  readonly state: RunState;
  readonly identity: RunIdentity;
  readonly weights: Record<string, HostTensor>;
  /** The average of the weights; empty where the run keeps none. */
  readonly average: Record<string, HostTensor>;
  /** Puts an optimizer in the state that it had. */
  restoreOptimizer(optimizer: AdamW, parameters: ReadonlyMap<string, tf.Variable>): void;
}

const formatVersion = 1;
const [weightsPrefix, momentsPrefix, averagePrefix] = ['model.', 'optimizer.', 'average.'];

/**
 * Writes one safetensors file: weights and statistics under `model.`, AdamW's moments under
 * `optimizer.`, the average of the weights under `average.`, all else as JSON in the header's metadata. One file is replaced in one rename, so a
 * checkpoint is never half of two.
 */
export async function writeCheckpoint(
  path: string,
  { model, parameters }: { model: BertResNetModel; parameters: ReadonlyMap<string, tf.Variable> },
  optimizer: AdamW,
  identity: RunIdentity,
  run: RunState,
  average: Record<string, tf.Tensor> = {},
): Promise<void> {
  const weights = model.stateDict();
  const moments = momentsByName(optimizer, parameters);
  const state: SavedState = {
    formatVersion,
    ...run,
    identity,
    iterations: optimizer.iterations,
    updates: Object.fromEntries([...moments].map(([name, { step }]) => [name, step])),
  };
  const dict = {
    ...prefixed(weightsPrefix, weights),
    ...momentTensors(moments),
    ...prefixed(averagePrefix, average),
  };
  try {
    await writeSafetensors(path, dict, {
      metadata: { format: 'pt', state: JSON.stringify(state) },
    });
  } finally {
    tf.dispose(weights);
  }
}

function momentsByName(
  optimizer: AdamW,
  parameters: ReadonlyMap<string, tf.Variable>,
): Map<string, AdamWMoments> {
  const state = optimizer.state();
  const held = [...parameters].filter(([, variable]) => state.has(variable.name));
  return new Map(held.map(([name, variable]) => [name, state.get(variable.name)!]));
}

function momentTensors(moments: ReadonlyMap<string, AdamWMoments>): Record<string, tf.Tensor> {
  const entries = [...moments].flatMap(([name, { expAvg, expAvgSq }]): [string, tf.Tensor][] => [
    [`${momentsPrefix}${name}.exp_avg`, expAvg],
    [`${momentsPrefix}${name}.exp_avg_sq`, expAvgSq],
  ]);
  return Object.fromEntries(entries);
}

function prefixed(prefix: string, dict: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(dict).map(([name, value]) => [prefix + name, value]));
}

/**
 * Reads what {@link writeCheckpoint} wrote.
 *
 * @throws InputError where it is no checkpoint of a run, or one of another version of this library.
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { metadata, tensors } = await readAndClose(await openSource(path));
  const { iterations, updates, identity, ...state } = parseState(metadata['state'], path);
  const moment = (name: string): HostTensor => {
    const found = tensors.get(momentsPrefix + name);
    if (found !== undefined) return found;
    throw new InputError(
      `checkpoint: ${path} must hold '${momentsPrefix}${name}'; the file is damaged`,
    );
  };
  return {
    state,
    identity,
    weights: under(weightsPrefix, tensors),
    average: under(averagePrefix, tensors),
    restoreOptimizer: (optimizer, parameters) =>
      restore(optimizer, parameters, { iterations, updates, moment }),
  };
}

function under(
  prefix: string,
  tensors: ReadonlyMap<string, HostTensor>,
): Record<string, HostTensor> {
  const found = [...tensors].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

function parseState(json: string | undefined, where: string): SavedState {
  if (json === undefined) {
    throw new InputError(
      `checkpoint: ${where} holds weights but no run; only a run's own checkpoint can be resumed`,
    );
  }
  const state = JSON.parse(json) as SavedState;
  if (state.formatVersion === formatVersion) return state;
  throw new InputError(
    `checkpoint: ${where} must have format version ${formatVersion}, got ${state.formatVersion}; ` +
      'resume with the version of bertresnet that wrote it',
  );
}

interface SavedOptimizer extends Pick<SavedState, 'iterations' | 'updates'> {
  readonly moment: (name: string) => HostTensor;
}

function restore(
  optimizer: AdamW,
  parameters: ReadonlyMap<string, tf.Variable>,
  { iterations, updates, moment }: SavedOptimizer,
): void {
  tf.tidy(() => {
    const moments = Object.entries(updates).map(([name, step]): [string, AdamWMoments] => {
      const variable = parameters.get(name)!;
      const expAvg = toTensor(moment(`${name}.exp_avg`));
      return [variable.name, { step, expAvg, expAvgSq: toTensor(moment(`${name}.exp_avg_sq`)) }];
    });
    optimizer.setState(new Map(moments), iterations);
  });
}

function toTensor({ values, shape }: HostTensor): tf.Tensor {
  return tf.tensor(values, [...shape], 'float32');
}
