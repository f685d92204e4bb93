/**
 * The same training step on every backend in the same Chromium, each in a tab of its own, in turn. The graphics card is
 * SwiftShader, a card in software: of those that compute on it only that they run is shown, not how fast a card is.
 *
 *     npm run bench:browser -- [small|medium] [rounds] [way, ...]
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BrowserPage } from '../scripts/browser/page.js';
import type { BackendName, BackendOptions } from '../src/backends/select.js';
import { smallStep } from '../src/cli/stepTime.js';
import type { StepSizes } from '../src/cli/stepTime.js';
import { median } from './peers.js';
import type { Step } from './pages/browser.js';

const most = Math.min(4, availableParallelism());
const ort = { wasmPaths: '/ort-wasm/' };
const tfjs = { wasmPaths: '/tfjs-wasm/' };

/** Backends by what computes there. */
const ways: Readonly<Record<string, readonly [BackendName, BackendOptions]>> = {
  cpu: ['cpu', {}],
  'wasm, 1 thread': ['wasm', { ...tfjs, threads: 1 }],
  [`wasm, ${most} threads`]: ['wasm', { ...tfjs, threads: most }],
  'onnxruntime (wasm), 1 thread': ['onnxruntime', { ...ort, threads: 1 }],
  [`onnxruntime (wasm), ${most} threads`]: ['onnxruntime', { ...ort, threads: most }],
  'webgl (software)': ['webgl', {}],
  'webgpu (software)': ['webgpu', {}],
  'onnxruntime (webgpu, software)': ['onnxruntime', { ...ort, executionProvider: 'webgpu' }],
};

const sizes: Readonly<Record<string, StepSizes>> = {
  small: smallStep,
  medium: {
    text: {
      vocabSize: 1000,
      hiddenSize: 128,
      numHiddenLayers: 2,
      numAttentionHeads: 2,
      intermediateSize: 512,
    },
    image: {
      embeddingSize: 16,
      hiddenSizes: [16, 32, 64, 128],
      depths: [2, 2, 2, 2],
      layerType: 'basic',
    },
    batch: 16,
    tokens: 32,
    pixels: 64,
  },
};

const [size = 'small', rounds = '5', ...wanted] = process.argv.slice(2);
const chosen = sizes[size];
if (chosen === undefined) {
  throw new Error(`bench: the size must be one of ${Object.keys(sizes).join(', ')}, got ${size}`);
}
const names = Object.keys(ways).filter(
  (name) => wanted.length === 0 || wanted.some((part) => name.includes(part)),
);
if (names.length === 0) {
  throw new Error(`bench: the ways are ${Object.keys(ways).join('; ')}, got ${wanted.join(', ')}`);
}
const dist = (name: string): string =>
  join(import.meta.dirname, '..', 'node_modules', name, 'dist');
const first = await BrowserPage.open(join(import.meta.dirname, 'pages', 'browser.ts'), {
  '/ort-wasm/': dist('onnxruntime-web'),
  '/tfjs-wasm/': dist('@tensorflow/tfjs-backend-wasm'),
});
try {
  const pages = new Map<string, BrowserPage>();
  for (const name of names) {
    const page = pages.size === 0 ? first : await first.another();
    await page.call('prepare', ...ways[name]!, chosen);
    pages.set(name, page);
  }
  const steps = new Map(names.map((name) => [name, [] as Step[]]));
  for (let round = 0; round <= Number(rounds); round++) {
    for (const [name, page] of pages) steps.get(name)!.push(await page.call<Step>('step'));
  }
  const { text, image, batch, tokens, pixels } = chosen;
  console.log(
    `a training step of BERT, ${text['numHiddenLayers']} layers of ${text['hiddenSize']}, and ResNet, ` +
      `[${image['depths']}] blocks of [${image['hiddenSizes']}], batch ${batch}, ${tokens} tokens, ${pixels} pixels`,
  );
  console.log(`${''.padEnd(34)}first, ms   median of ${rounds}, ms   last loss`);
  for (const [name, taken] of steps) {
    const [compiling, ...rest] = taken as [Step, ...Step[]];
    const middle = median(rest.map(({ ms }) => ms));
    const numbers = [compiling.ms.toFixed(0).padStart(9), middle.toFixed(0).padStart(17)];
    console.log(
      `${name.padEnd(34)}${numbers.join('')}${rest.at(-1)!.loss.toFixed(4).padStart(15)}`,
    );
  }
} finally {
  await first.close();
}
