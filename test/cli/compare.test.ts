import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bertresnet } from './workspace.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bertresnet-compare-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A run that answered rows by their number, those of `wrong` wrongly. */
async function run(name: string, rows: readonly number[], wrong: readonly number[]) {
  const path = join(folder, name);
  await mkdir(join(path, 'model'), { recursive: true });
  await writeFile(join(path, 'model', 'model.safetensors'), '');
  const accuracy = 1 - wrong.length / rows.length;
  const one = { rows: rows.length, accuracy, macroF1: accuracy, loss: 1, ece: 0, perClass: {} };
  const figures = { ...one, mode: 'both', modes: { both: one } };
  await writeFile(join(path, 'metrics.json'), JSON.stringify(figures));
  const lines = rows.map((row) => {
    const prediction = wrong.includes(row) ? 'no' : 'yes';
    return `val row ${row},k${row},both,yes,${prediction},0.9`;
  });
  const header = 'row,key,mode,label,prediction,probability';
  await writeFile(join(path, 'answers.csv'), [header, ...lines].join('\n'));
  return path;
}

async function compare(a: string, b: string) {
  const text = await bertresnet(['compare', a, b]);
  const { stdout } = await bertresnet(['compare', a, b, '--json']);
  const page = text.stderr.split(': ').at(-1)!;
  return { text, found: JSON.parse(stdout) as unknown[], page: await readFile(page, 'utf8') };
}

describe('compare of runs whose validation rows', () => {
  it('are partly the same has the figures of these, and says so', async () => {
    // Each on its own rows: 0.8 and 0.6. On rows 2, 3 and 4: 0.667 and 1.
    const a = await run('seed1', [0, 1, 2, 3, 4], [4]);
    const b = await run('seed2', [2, 3, 4, 5, 6], [5, 6]);
    const { text, found, page } = await compare(a, b);
    expect(text.stdout).toMatch(/validation +0[.]667 +1[.]000 +3 +1[.]000/);
    expect(text.stderr).toContain(
      'note: validation: not the same rows (2 rows by seed1 alone, 2 rows by seed2 alone): ' +
        'the figures are of the 3 that both answered',
    );
    expect(found).toMatchObject([
      { test: 'validation', rows: [5, 5], shared: 3, accuracy: [2 / 3, 1], mcnemar: { rows: 3 } },
    ]);
    expect(page).toContain('Both were tested on 3 rows of validation.');
  });

  it('are others altogether calls none better, and says why', async () => {
    const a = await run('seed3', [0, 1], [1]);
    const b = await run('seed4', [2, 3, 4], []);
    const { text, found, page } = await compare(a, b);
    expect(text.stdout).toMatch(/validation +0[.]500 +1[.]000 +0 +-/);
    expect(text.stderr).toContain('note: validation: no row was answered by both');
    expect(found).toMatchObject([{ rows: [2, 3], shared: 0, accuracy: [0.5, 1], mcnemar: null }]);
    expect(page).toContain('No row was answered by both.');
    expect(page).not.toContain('class="best"');
  });

  it('are not known calls none better, and says why', async () => {
    const [a, b] = [await run('seed5', [0, 1], [1]), await run('seed6', [0, 1], [])];
    await rm(join(b, 'answers.csv'));
    const { text, found, page } = await compare(a, b);
    expect(text.stdout).toMatch(/validation +0[.]500 +1[.]000 +- +-/);
    expect(text.stderr).toContain('whether these are the same rows is not known');
    expect(found).toMatchObject([{ shared: null, mcnemar: null }]);
    expect(page).toContain('The answers of seed6 are not there');
  });

  it('are the same says no more', async () => {
    const [a, b] = [await run('seed7', [0, 1], [1]), await run('seed8', [1, 0], [])];
    const { text, page } = await compare(a, b);
    expect(text.stderr).not.toContain('note');
    expect(page).toContain('Both were tested on validation.');
    expect(page).toContain('class="best"');
  });
});

it('compare tells an evaluated validation.csv from the validation of a run', async () => {
  const paths = [await run('seed9', [0, 1], [1]), await run('seed10', [0, 1], [])];
  for (const path of paths) {
    const other = await run('evaluated', [5, 6, 7, 8], [5]);
    await cp(join(other, 'metrics.json'), join(path, 'metrics-validation.json'));
    await cp(join(other, 'answers.csv'), join(path, 'answers-validation.csv'));
  }
  const { found, page } = await compare(paths[0]!, paths[1]!);
  expect(found).toMatchObject([
    { test: 'validation.csv', rows: [4, 4], shared: 4, accuracy: [0.75, 0.75] },
    { test: 'validation', rows: [2, 2], shared: 2, accuracy: [0.5, 1] },
  ]);
  expect(page).toContain('validation.csv');
});
