import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { writeLeakage } from '../../src/cli/reportFiles.node.js';
import type { LeakageReport, ReportData } from '../../src/index.js';

const folder = await mkdtemp(join(tmpdir(), 'report-files-'));
afterAll(() => rm(folder, { recursive: true }));

const path = join(folder, 'leakage.csv');

/** Writes what was found, and says what was told. */
async function written(rows?: LeakageReport['rows']): Promise<string[]> {
  const said: string[] = [];
  const report = { leakage: rows && { rows } } as unknown as ReportData;
  await writeLeakage(report, path, {
    ...{ out: () => {}, say: (line) => void said.push(line), interactive: false },
  });
  return said;
}

it('lists what leaks, and leaves no list where nothing does', async () => {
  expect(await written([])).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
  const text = { train: 1, trainRow: 'train.csv row 3', same: true, similarity: 1 };
  expect(await written([{ position: 0, row: 'val.csv row 2', text }])).toEqual([
    `rows that were trained on: ${path}`,
  ]);
  expect(await readFile(path, 'utf8')).toContain('val.csv row 2,same,1,train.csv row 3');
  // Nobody has looked: what was found before may still hold.
  expect(await written()).toEqual([]);
  expect(await readdir(folder)).toEqual(['leakage.csv']);
  expect(await written([])).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});
