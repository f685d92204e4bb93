/**
 * What a forward pass and a training step (gradients, clipping, AdamW) of a BERT + ResNet ask of the graphics card on
 * the backend `webgpu` in Chromium, with this library's kernels and with TensorFlow.js's alone: dispatches by program,
 * submits, pipelines and bytes. Counts, not times: they are those of any card.
 *
 *     npm run bench:dispatches -- [tiny|base]
 */
import { join } from 'node:path';
import { BrowserPage } from '../scripts/browser/page.js';
import type { StepSizes } from '../src/cli/stepTime.js';
import type { Counted } from './pages/dispatches.js';
import type { GpuWork } from './pages/gpuWork.js';

/** The layers are those of real models; what is computed within each is kept small, as cards in software are slow. */
const sizes: Readonly<Record<string, StepSizes>> = {
  tiny: {
    text: {
      vocabSize: 1000,
      hiddenSize: 32,
      numHiddenLayers: 2,
      numAttentionHeads: 2,
      intermediateSize: 128,
    },
    image: {
      embeddingSize: 8,
      hiddenSizes: [8, 16, 32, 64],
      depths: [2, 2, 2, 2],
      layerType: 'basic',
    },
    batch: 4,
    tokens: 16,
    pixels: 32,
  },
  base: {
    text: {
      vocabSize: 1000,
      hiddenSize: 48,
      numHiddenLayers: 12,
      numAttentionHeads: 12,
      intermediateSize: 192,
    },
    image: {
      embeddingSize: 8,
      hiddenSizes: [32, 64, 128, 256],
      depths: [3, 4, 6, 3],
      layerType: 'bottleneck',
    },
    batch: 4,
    tokens: 16,
    pixels: 32,
  },
};

const [size = 'tiny'] = process.argv.slice(2);
const chosen = sizes[size];
if (chosen === undefined) {
  throw new Error(`bench: the size must be one of ${Object.keys(sizes).join(', ')}`);
}
const page = await BrowserPage.open(join(import.meta.dirname, 'pages', 'dispatches.ts'));
try {
  const before = await page.call<Counted>('count', chosen, false);
  await page.load();
  const after = await page.call<Counted>('count', chosen, true);
  console.log(
    `${size}: BERT of ${chosen.text['numHiddenLayers']} layers, ResNet ${chosen.image['layerType']} [${chosen.image['depths']}]`,
  );
  printTotals('a forward pass', before.forward, after.forward);
  printTotals('a training step', before.train, after.train);
  console.log(`pipelines of both: ${before.pipelines} -> ${after.pipelines}`);
  console.log(`the first loss: ${before.loss.toFixed(3)} -> ${after.loss.toFixed(3)}`);
  printPrograms(before.train, after.train);
} finally {
  await page.close();
}

function printTotals(what: string, before: GpuWork, after: GpuWork): void {
  console.log(`${what}, TensorFlow.js's kernels -> with this library's`);
  const rows: [string, (work: GpuWork) => number, number][] = [
    ['dispatches', totalOf, 1],
    ['submits', ({ submits }) => submits, 1],
    ['tensors read and written by dispatches, MB', ({ bound }) => bound, 1e6],
    ['uploaded, kB', ({ uploaded }) => uploaded, 1e3],
    ['numbers of the dispatches, kB', ({ uniforms }) => uniforms, 1e3],
    ['read back, bytes', ({ readBack }) => readBack, 1],
  ];
  for (const [name, of, unit] of rows) {
    const [a, b] = [before, after].map((work) => (of(work) / unit).toFixed(unit === 1 ? 0 : 1));
    console.log(`  ${name.padEnd(46)}${a!.padStart(9)}${b!.padStart(9)}`);
  }
}

function printPrograms(before: GpuWork, after: GpuWork): void {
  console.log('dispatches of a training step by program');
  const names = [...new Set([before, after].flatMap(({ dispatches }) => Object.keys(dispatches)))];
  const counts = names.map(
    (name) => [name, before.dispatches[name] ?? 0, after.dispatches[name] ?? 0] as const,
  );
  for (const [name, a, b] of counts.toSorted((x, y) => y[2] - x[2] || y[1] - x[1])) {
    console.log(`  ${name.padEnd(46)}${String(a).padStart(9)}${String(b).padStart(9)}`);
  }
}

function totalOf({ dispatches }: GpuWork): number {
  return Object.values(dispatches).reduce((sum, count) => sum + count, 0);
}
