import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InputError } from '../../src/errors.js';
import type { HostTensor } from '../../src/nn/stateDict.js';
import { openPretrained } from '../../src/weights/hub.js';
import { readWeights } from '../../src/weights/read.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';

const index = 'model.safetensors.index.json';
const tensor = (value: number): HostTensor => ({ shape: [1], values: Float32Array.of(value) });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'read-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (name: string, dict: Record<string, HostTensor>): Promise<void> =>
  writeSafetensors(join(folder, name), dict);
const writeIndex = (weightMap: unknown): Promise<void> =>
  writeFile(
    join(folder, index),
    JSON.stringify({ metadata: { total_size: 8 }, weight_map: weightMap }),
  );
const read = async (): Promise<Record<string, HostTensor>> =>
  readWeights(await openPretrained(folder));
const valuesOf = (dict: Record<string, HostTensor>): Record<string, number[]> =>
  Object.fromEntries(Object.entries(dict).map(([name, { values }]) => [name, Array.from(values)]));

test('one file', async () => {
  await write('model.safetensors', { a: tensor(1), b: tensor(2) });
  expect(valuesOf(await read())).toEqual({ a: [1], b: [2] });
});

test('one file comes before an index', async () => {
  await write('model.safetensors', { a: tensor(1) });
  await writeIndex({ a: 'absent.safetensors' });
  expect(valuesOf(await read())).toEqual({ a: [1] });
});

test('shards, some in a folder of their own', async () => {
  await mkdir(join(folder, 'shards'));
  await write('model-1.safetensors', { a: tensor(1), c: tensor(3) });
  await write('shards/model-2.safetensors', { b: tensor(2) });
  await writeIndex({
    a: 'model-1.safetensors',
    b: 'shards/model-2.safetensors',
    c: 'model-1.safetensors',
  });
  expect(valuesOf(await read())).toEqual({ a: [1], b: [2], c: [3] });
});

test('a tensor that the index does not name comes too, as in transformers', async () => {
  await write('model-1.safetensors', { a: tensor(1), more: tensor(2) });
  await writeIndex({ a: 'model-1.safetensors' });
  expect(valuesOf(await read())).toEqual({ a: [1], more: [2] });
});

test('no weights, and what to do', async () => {
  await expect(read()).rejects.toThrow(InputError);
  await expect(read()).rejects.toThrow(
    /has neither model.safetensors nor model.safetensors.index.json; name/,
  );
  await writeFile(join(folder, 'pytorch_model.bin'), '');
  await expect(read()).rejects.toThrow(
    /its pytorch_model.bin could run code.*safe_serialization=True/,
  );
});

test('shards that are missing are all named, before any is read', async () => {
  await writeFile(join(folder, 'model-1.safetensors'), 'not even safetensors');
  await writeIndex({
    a: 'model-1.safetensors',
    b: 'model-2.safetensors',
    c: 'model-3.safetensors',
  });
  await expect(read()).rejects.toThrow(
    /lacks model-2.safetensors, model-3.safetensors, which model.safetensors.index/,
  );
  await expect(read()).rejects.toThrow(InputError);
});

test('a tensor that is not in its shard', async () => {
  await write('model-1.safetensors', { a: tensor(1) });
  await write('model-2.safetensors', { b: tensor(1) });
  await writeIndex({
    a: 'model-1.safetensors',
    b: 'model-1.safetensors',
    c: 'model-2.safetensors',
  });
  await expect(read()).rejects.toThrow(
    /model-1.safetensors of .* lacks b, which model.safetensors.index.json promises/,
  );
});

test('a tensor in two shards', async () => {
  await write('model-1.safetensors', { a: tensor(1) });
  await write('model-2.safetensors', { a: tensor(1), b: tensor(1) });
  await writeIndex({ a: 'model-1.safetensors', b: 'model-2.safetensors' });
  await expect(read()).rejects.toThrow(
    /model-2.safetensors of .* holds 'a', as another shard does/,
  );
});

test('a shard that is damaged is named', async () => {
  await write('model-1.safetensors', { a: tensor(1) });
  await writeFile(join(folder, 'model-2.safetensors'), 'PK');
  await writeIndex({ a: 'model-1.safetensors', b: 'model-2.safetensors' });
  await expect(read()).rejects.toThrow(/model-2.safetensors: it must be at least 8 bytes, got 2/);
});

test.each([
  ['../secret.safetensors', /must lie in its folder/],
  ['/elsewhere/secret.safetensors', /must lie in its folder/],
  ['a/../../secret.safetensors', /must lie in its folder/],
  ['..\\secret.safetensors', /must lie in its folder/],
  ['C:secret.safetensors', /must lie in its folder/],
  ['pytorch_model-1.bin', /must name a .safetensors file for 'a', got "pytorch_model-1.bin"/],
  [1, /must name a .safetensors file for 'a', got 1/],
  [null, /must name a .safetensors file for 'a', got null/],
])('the shard %j is refused', async (shard, message) => {
  await writeIndex({ a: shard });
  await expect(read()).rejects.toThrow(message);
  await expect(read()).rejects.toThrow(InputError);
});

test.each([
  [undefined, /must hold an object 'weight_map'/],
  [[], /must hold an object 'weight_map'/],
  ['a', /must hold an object 'weight_map'/],
  [{}, /names no tensors/],
])('the weight_map %j is refused', async (weightMap, message) => {
  await writeIndex(weightMap);
  await expect(read()).rejects.toThrow(message);
});
