import { InputError } from '../errors.js';
import type { HostTensor } from '../nn/stateDict.js';
import { checkFileName } from './fileNames.js';
import type { PretrainedFiles } from './hub.js';
import { readAndClose } from './safetensors.js';

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';

/**
 * Reads the weights of a pretrained model, `model.safetensors` or the shards that
 * `model.safetensors.index.json` names, without TensorFlow.js.
 *
 * @throws InputError where there are none, a shard is missing, or a shard lacks a tensor that the index promises.
 */
export async function readWeights(files: PretrainedFiles): Promise<Record<string, HostTensor>> {
  if (await files.has(single)) {
    const { tensors } = await readAndClose(await files.open(single));
    return Object.fromEntries(tensors);
  }
  if (await files.has(index)) return readShards(files);
  throw await noWeights(files);
}

async function noWeights(files: PretrainedFiles): Promise<InputError> {
  const pickled = await files.has('pytorch_model.bin');
  const hint = pickled
    ? `; its pytorch_model.bin could run code and is not read, so save it in Python: ` +
      'model.save_pretrained(folder, safe_serialization=True)'
    : '; name a folder or hub id that has one of them';
  return new InputError(`weights: ${files.source} has neither ${single} nor ${index}${hint}`);
}

async function readShards(files: PretrainedFiles): Promise<Record<string, HostTensor>> {
  const promised = await readIndex(files);
  await checkShards(files, [...promised.keys()]);
  const weights = new Map<string, HostTensor>();
  for (const [shard, names] of promised) {
    const { tensors } = await readAndClose(await files.open(shard));
    const fail = (why: string): InputError =>
      new InputError(`weights: ${shard} of ${files.source} ${why}`);
    const absent = names.filter((name) => !tensors.has(name));
    if (absent.length > 0) throw fail(`lacks ${listed(absent)}, which ${index} promises`);
    for (const [name, tensor] of tensors) {
      if (weights.has(name)) throw fail(`holds '${name}', as another shard does`);
      weights.set(name, tensor);
    }
  }
  return Object.fromEntries(weights);
}

/** The shards, and the names of the tensors that each should hold. */
async function readIndex(files: PretrainedFiles): Promise<ReadonlyMap<string, readonly string[]>> {
  const { weight_map: places } = (await files.readJson(index)) as { weight_map?: unknown };
  if (typeof places !== 'object' || places === null || Array.isArray(places)) {
    throw new InputError(`weights: ${index} of ${files.source} must hold an object 'weight_map'`);
  }
  const shards = new Map<string, string[]>();
  for (const [name, shard] of Object.entries(places) as [string, unknown][]) {
    checkShardName(name, shard, files.source);
    shards.set(shard, [...(shards.get(shard) ?? []), name]);
  }
  if (shards.size === 0)
    throw new InputError(`weights: ${index} of ${files.source} names no tensors`);
  return shards;
}

function checkShardName(name: string, shard: unknown, source: string): asserts shard is string {
  if (typeof shard !== 'string' || !shard.endsWith('.safetensors')) {
    throw new InputError(
      `weights: ${index} of ${source} must name a .safetensors file for '${name}', got ${JSON.stringify(shard)}`,
    );
  }
  checkFileName(shard, source);
}

/** Before any is read: they may be gigabytes. */
async function checkShards(files: PretrainedFiles, shards: readonly string[]): Promise<void> {
  const there = await Promise.all(shards.map((shard) => files.has(shard)));
  const missing = shards.filter((_, i) => !there[i]);
  if (missing.length === 0) return;
  throw new InputError(
    `weights: ${files.source} lacks ${listed(missing)}, which ${index} names; fetch all of it`,
  );
}

function listed(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return names.slice(0, 5).join(', ') + more;
}
