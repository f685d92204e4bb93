import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TrainingProcesses } from './child.js';

const processes = new TrainingProcesses();
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'killed-'));
  await processes.build();
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await processes.remove();
});

/** Trains into a folder, and kills the process as soon as it says that a step is done. */
function train(run: string, killAt?: number) {
  return processes.start(join(folder, run), (line, child) => {
    if (line === `step ${killAt}`) child.kill('SIGKILL');
  }).ended;
}

const products = [
  'history.jsonl',
  'metrics.json',
  'checkpoint/last.safetensors',
  'model/model.safetensors',
];
const contents = (run: string) =>
  Promise.all(products.map((name) => readFile(join(folder, run, name))));

async function expectSame(run: string, whole: string): Promise<void> {
  const [actual, expected] = [await contents(run), await contents(whole)];
  products.forEach((name, i) => expect(actual[i]!.equals(expected[i]!), name).toBe(true));
  expect(await readdir(join(folder, run, 'checkpoint'))).toEqual(['last.safetensors']);
  expect(await readdir(join(folder, run))).toEqual(await readdir(join(folder, whole)));
}

it('a run that is killed and resumed ends as one that was not, byte for byte', async () => {
  expect((await train('whole')).said.at(-1)).toBe('done');
  const kills = [];
  for (const at of [3, 7, 12]) kills.push(await train('killed', at));
  expect(kills.map(({ killed }) => killed)).toEqual([true, true, true]);
  expect(await readdir(join(folder, 'killed')), 'what the dead has left').toContain('.lock');
  // The second process went on behind a checkpoint, and not before it.
  expect(['step 3', 'step 4', 'step 5']).toContain(kills[1]!.said[0]);
  expect((await train('killed')).said.at(-1)).toBe('done');
  await expectSame('killed', 'whole');
});

it('a second process in the folder of a run is refused, and the first ends as if alone', async () => {
  let second: Promise<{ said: readonly string[] }> | undefined;
  const first = processes.start(join(folder, 'shared'), (line, child) => {
    if (line !== 'step 5') return;
    child.kill('SIGSTOP'); // It is there for as long as the second one looks.
    second = train('shared').finally(() => child.kill('SIGCONT'));
  });
  expect((await first.ended).said.at(-1)).toBe('done');
  const lock = join(folder, 'shared', '.lock');
  expect((await second!).said).toEqual([
    'trainer: outputDir must be a folder that no other run writes to, and ' +
      `process ${first.process.pid} (${lock}) writes to '${join(folder, 'shared')}' now; ` +
      'wait for it or stop it, or name another folder',
  ]);
  await expectSame('shared', 'whole');
});
