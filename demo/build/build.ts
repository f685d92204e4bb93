// Builds the page to static files: npm run demo:build [-- FOLDER]
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import { browserTwins } from '../../scripts/browserTwins.js';
import { emojiStrip, emojiZip, vocabulary } from './emoji.js';
import { licences } from './licences.js';

const require = createRequire(import.meta.url);
const source = fileURLToPath(new URL('..', import.meta.url));
const root = join(source, '..');

/** Where the page is built, unless told otherwise. */
export const outFolder = join(source, 'dist');

/** ONNX Runtime's builds for processors and for graphics cards; a browser loads one of them. */
const runtimes = ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.asyncify'];

const shared: BuildOptions = {
  bundle: true,
  minify: true,
  keepNames: true, // error messages name classes
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
  absWorkingDir: root,
};

/** What a build for tests does otherwise. */
export interface DemoOptions {
  /** So many emoji at most (default: all). */
  readonly emoji?: number;
}

/** Builds everything, and returns the folder. */
export async function buildDemo(folder = outFolder, { emoji }: DemoOptions = {}): Promise<string> {
  await mkdir(folder, { recursive: true });
  const parts = [page(folder), engine(folder), style(folder), data(folder, emoji), copies(folder)];
  await Promise.all(parts);
  await serviceWorker(folder);
  return folder;
}

async function page(folder: string): Promise<void> {
  await build({
    ...shared,
    entryPoints: [join(source, 'page/main.ts')],
    outfile: join(folder, 'page.js'),
  });
}

async function engine(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (/^engine-\w+\.js$/.test(name)) await rm(join(folder, name)); // parts of an earlier build
  await build({
    ...shared,
    entryPoints: { engine: join(source, 'engine/worker.ts') },
    outdir: folder,
    splitting: true, // what is rarely needed is loaded when it is
    chunkNames: 'engine-[hash]',
    alias: { bertresnet: join(root, 'src/index.ts') },
    external: ['@huggingface/transformers'], // the page offers no encoders of other libraries
    plugins: [browserTwins],
  });
}

async function style(folder: string): Promise<void> {
  await build({
    ...shared,
    entryPoints: [join(source, 'style/main.css')],
    outfile: join(folder, 'style.css'),
    loader: { '.woff2': 'file' },
    assetNames: '[name]',
  });
}

async function data(folder: string, emoji?: number): Promise<void> {
  await writeFile(join(folder, 'emoji.zip'), await emojiZip(emoji));
  await writeFile(join(folder, 'emoji-strip.png'), await emojiStrip());
  await writeFile(join(folder, 'vocab.txt'), vocabulary());
  await writeFile(join(folder, 'licences.txt'), await licences());
}

async function copies(folder: string): Promise<void> {
  const runtime = dirname(require.resolve('onnxruntime-web'));
  const own = ['index.html', 'icon.svg', 'manifest.webmanifest'].map((name) => join(source, name));
  const theirs = runtimes
    .flatMap((name) => [`${name}.wasm`, `${name}.mjs`])
    .map((name) => join(runtime, name));
  await Promise.all(
    [...own, ...theirs].map((path) => copyFile(path, join(folder, basename(path)))),
  );
}

/** Last, as it names all files, and its version is a hash of them. */
async function serviceWorker(folder: string): Promise<void> {
  await rm(join(folder, 'serviceWorker.js'), { force: true });
  const names = (await readdir(folder)).toSorted();
  const hash = createHash('sha256');
  for (const name of names) hash.update(name).update(await readFile(join(folder, name)));
  // The runtimes are large, and one is enough: it is kept when it is first loaded.
  const shell = names.filter((name) => !name.startsWith('ort-') && name !== 'index.html');
  await build({
    ...shared,
    entryPoints: [join(source, 'serviceWorker.ts')],
    outfile: join(folder, 'serviceWorker.js'),
    define: {
      FILES: JSON.stringify(['./', ...shell]),
      VERSION: JSON.stringify(hash.digest('hex').slice(0, 16)),
    },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(`The page is in ${await buildDemo(process.argv[2])}`);
}
