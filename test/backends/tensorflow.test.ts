import util from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { loadTensorFlow } from '../../src/backends/tensorflow/load.node.js';

// Functions that Node 23 and later no longer have, and that tfjs-node 4.22 calls.
const removed = ['isNullOrUndefined', 'isArray'] as const;
const utilities = util as unknown as Record<string, unknown>;
const own = Object.fromEntries(
  removed.flatMap((name) => (name in util ? [[name, utilities[name]]] : [])),
);

afterEach(() => {
  for (const name of removed) delete utilities[name];
  Object.assign(util, own);
});

/** Whether the package is there makes no difference: what it calls is put back before it is looked for. */
async function load(): Promise<void> {
  await loadTensorFlow().catch(() => {});
}

test('what newer Nodes took out of node:util is there when tfjs-node is loaded', async () => {
  for (const name of removed) delete utilities[name];
  await load();
  const { isNullOrUndefined, isArray } = utilities as Record<string, (value: unknown) => boolean>;
  expect([null, undefined, 0, '', false, []].map((value) => isNullOrUndefined!(value))).toEqual([
    ...[true, true, false, false, false, false],
  ]);
  expect([[], [1], {}, 'a', undefined].map((value) => isArray!(value))).toEqual([
    ...[true, true, false, false, false],
  ]);
});

test("what Node has of its own isn't replaced", async () => {
  const mine = (): boolean => true;
  Object.assign(util, { isNullOrUndefined: mine });
  await load();
  expect(utilities['isNullOrUndefined']).toBe(mine);
});
