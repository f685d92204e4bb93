import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { tinyData, tinyModel } from './tiny.js';

const folder = await mkdtemp(join(tmpdir(), 'run-folder-'));
beforeAll(() => useBackend('cpu'));
afterAll(() => rm(folder, { recursive: true }));

const outputDir = join(folder, 'run');

async function fit(options: TrainerOptions): Promise<number> {
  const model = await tinyModel();
  const calibration = { data: 'tiny', heads: {} };
  model.calibration = calibration;
  const trainer = new Trainer(model, { batchSize: 4, outputDir, ...options });
  try {
    return (await trainer.fit(tinyData(8))).length;
  } catch (error) {
    expect(model.calibration, 'of a model that was not trained').toBe(calibration);
    throw error;
  } finally {
    model.dispose();
  }
}

test('a folder is one run’s at a time, and free when that ends', async () => {
  let [refusal, done]: string[] = [];
  const onStep = async ({ step }: { step: number }): Promise<void> => {
    if (step !== 2) return;
    refusal = await fit({ epochs: 2, overwrite: true }).then(
      String,
      (error: Error) => error.message,
    );
    done = String(await fit({ epochs: 1, outputDir: `${outputDir}2` }));
  };
  expect(await fit({ epochs: 2, onStep })).toBe(2);
  expect(refusal).toMatch(
    /^trainer: outputDir must be a folder that no other run writes to, and process \d+ \(.*\) writes to '.*run' now/,
  );
  expect(done).toBe('1');
  await expect(fit({ epochs: 2 })).rejects.toThrow(/must not hold a run yet/); // which frees it, too
  expect(await fit({ epochs: 2, overwrite: true })).toBe(2);
});

/** Puts files into a folder, which is there. */
async function put(place: string, names: readonly string[]): Promise<void> {
  for (const name of names) await writeFile(join(place, name), 'old');
}

const said = [
  ...['metrics-test.json', 'answers-test.csv', 'leakage-test.csv', 'report-test.html'],
  ...['leakage.csv', 'answers.csv', 'report.html'],
];
const own = ['metrics-test.txt', 'my-answers-1.csv', 'report-.html', 'test.csv'];

test('what was said of the model before goes with it, and nothing else', async () => {
  const place = join(folder, 'said');
  await fit({ epochs: 1, outputDir: place });
  await put(place, [...said, ...own]);
  await fit({ epochs: 1, outputDir: place, overwrite: true });
  const left = await readdir(place);
  expect(left.filter((name) => said.includes(name))).toEqual([]);
  expect(left).toEqual(expect.arrayContaining(own));
  expect(left).toContain('model');
});

test('a folder without a run keeps its files, whatever their names', async () => {
  const place = await mkdtemp(join(folder, 'other-'));
  const names = said.filter((name) => name.includes('-'));
  await put(place, names);
  await fit({ epochs: 1, outputDir: place });
  expect(await readdir(place)).toEqual(expect.arrayContaining(names));
});
