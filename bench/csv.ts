/**
 * Opens a CSV file of a million generated rows and reads it back, at random and in order.
 *
 *     npx tsx --expose-gc bench/csv.ts [rows]
 */
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvDataset } from '../src/datasets/csv.js';
import { formatRecord } from '../src/datasets/csvWrite.js';
import { epochOrder } from '../src/datasets/rowOrder.js';

const rows = Number(process.argv[2] ?? 1_000_000);
const pictures = 10_000;

function* generated(): Generator<string> {
  yield formatRecord(['id', 'text', 'img_path', 'label']);
  for (let i = 0; i < rows; i++) {
    const text = `A tweet of ordinary length, number ${i}, says "so good" é 😀\nand goes on #tag\n`;
    yield formatRecord([
      i,
      text,
      `img/${i % pictures}.jpg`,
      ['negative', 'neutral', 'positive'][i % 3],
    ]);
  }
}

function memory(): { rss: number; kept: number } {
  for (let i = 0; i < 2; i++) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss: rss / 2 ** 20, kept: (heapUsed + external) / 2 ** 20 };
}

async function timed<T>(name: string, count: number, run: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await run();
  const seconds = (performance.now() - start) / 1000;
  console.log(`${name}: ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} rows/s`);
  return result;
}

const folder = await mkdtemp(join(tmpdir(), 'bertresnet-csv-'));
try {
  const path = join(folder, 'rows.csv');
  await mkdir(join(folder, 'img'));
  for (let i = 0; i < pictures; i++) await writeFile(join(folder, 'img', `${i}.jpg`), '');
  await pipeline(Readable.from(generated()), createWriteStream(path));
  console.log(`${rows} rows, ${((await stat(path)).size / 2 ** 20).toFixed(0)} MiB`);
  const before = memory();
  const dataset = await timed('open', rows, () => CsvDataset.open(path));
  const after = memory();
  console.log(
    `memory: RSS ${before.rss.toFixed(0)} -> ${after.rss.toFixed(0)} MiB; ` +
      `kept ${(after.kept - before.kept).toFixed(0)} MiB`,
  );
  const order = epochOrder(1, 0, dataset.size);
  const batch = 32;
  const sample = Math.min(rows, 64_000);
  await timed('read at random, 32 at a time', sample, async () => {
    for (let i = 0; i < sample; i += batch)
      await dataset.examples([...order.subarray(i, Math.min(i + batch, sample))]);
  });
  await timed('read in order, 32 at a time', sample, async () => {
    for (let i = 0; i < sample; i += batch) {
      await dataset.examples(Array.from({ length: Math.min(batch, sample - i) }, (_, j) => i + j));
    }
  });
  console.log(
    `memory: RSS ${memory().rss.toFixed(0)} MiB, ` +
      `at most ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`,
  );
} finally {
  await rm(folder, { recursive: true });
}
