import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, 'node_modules/.cache/bertresnet');
const script = join(cache, `killed-${process.pid}.mjs`);
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'killed-'));
  await mkdir(cache, { recursive: true });
  await build({
    entryPoints: [join(root, 'test/training/killed.child.ts')],
    outfile: script,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    plugins: [
      {
        name: 'external-packages',
        setup: (bundle) =>
          bundle.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
            kind === 'entry-point' || path.startsWith('@tensorflow/tfjs-core/dist/')
              ? null
              : { path, external: true },
          ),
      },
    ],
  });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(script);
});

/** Runs the child, killing it as soon as it says that a step is done; the steps that it said. */
async function child(
  outputDir: string,
  killAt?: number,
): Promise<{ said: string[]; killed: boolean }> {
  const process_ = spawn(process.execPath, [script, outputDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  process_.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').includes(`step ${killAt}`)) process_.kill('SIGKILL');
  });
  const signal = await new Promise((resolve) => process_.once('close', (_, how) => resolve(how)));
  return { said: text.trimEnd().split('\n'), killed: signal === 'SIGKILL' };
}

const products = [
  'history.jsonl',
  'metrics.json',
  'checkpoint/last.safetensors',
  'model/model.safetensors',
];
const contents = (run: string) =>
  Promise.all(products.map((name) => readFile(join(folder, run, name))));

it('a run that is killed and resumed ends as one that was not, byte for byte', async () => {
  expect((await child(join(folder, 'whole'))).said.at(-1)).toBe('done');
  const kills = [];
  for (const at of [3, 7, 12]) kills.push(await child(join(folder, 'killed'), at));
  expect(kills.map(({ killed }) => killed)).toEqual([true, true, true]);
  // The second process went on behind a checkpoint, and not before it.
  expect(['step 3', 'step 4', 'step 5']).toContain(kills[1]!.said[0]);
  expect((await child(join(folder, 'killed'))).said.at(-1)).toBe('done');
  const [whole, resumed] = [await contents('whole'), await contents('killed')];
  products.forEach((name, i) => expect(resumed[i]!.equals(whole[i]!), name).toBe(true));
  expect(await readdir(join(folder, 'killed', 'checkpoint'))).toEqual(['last.safetensors']);
});
