import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bundleSize, programOf } from '../../scripts/bundleSize.js';
import { root } from './packed.js';

const core = ['BertResNetModel', 'Trainer', 'evaluate'];
const around = ['useBackend', 'CsvDataset', 'BertTokenizer', 'ImageProcessor'];

it.each([
  ['trains and evaluates', core],
  ['reads rows for that as well', [...core, ...around]],
])('loads at most 60 kB of our own code with a page that %s', async (_, names) => {
  const { own, engine, gradients } = await bundleSize(
    programOf(...names),
    join(root, 'dist/browser'),
  );
  expect(own).toBeLessThanOrEqual(60_000);
  // What is left out of it was found, and is no more than that.
  expect(engine).toBeGreaterThan(10_000);
  expect(gradients).toBeGreaterThan(5_000);
});
