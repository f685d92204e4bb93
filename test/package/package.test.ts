import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyConsumers, install, manifest, pack, root } from './packed.js';
import type { Application } from './packed.js';

/** Those that are installed here; `tfjs-node`, whose installation downloads, is not. */
const peers = Object.keys(manifest.peerDependencies).filter((name) =>
  existsSync(join(root, 'node_modules', name)),
);
const runtime = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
const compilation = ['typescript', '@types/node', '@types/cli-progress'];
const answer = { backend: 'cpu', shape: [1, 2], values: 2, oneTensorFlow: true, parameters: true };

describe('the packed package', () => {
  let app: Application;

  beforeAll(async () => {
    app = await install([...runtime, ...peers, ...compilation]);
    await copyConsumers(app);
  });
  afterAll(() => app.remove());

  it('runs its ES modules, sharing the TensorFlow.js of its user', async () => {
    await compile('esm.mts', 'nodenext');
    const { stdout, stderr } = await app.node('esm.mjs');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(answer);
  });

  it('runs its CommonJS build, sharing the TensorFlow.js of its user', async () => {
    await compile('cjs.cts', 'nodenext');
    const { stdout, stderr } = await app.node('cjs.cjs');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(answer);
  });

  it.each([
    ['threads.mjs', "await import('bertresnet')"],
    ['threads.cjs', "require('bertresnet')"],
  ])('reads pictures in a worker thread: %s', async (name, load) => {
    const picture = join(root, 'test/fixtures/images/rgb.jpg');
    await app.write(name, reading(load, picture));
    const { stdout, stderr } = await app.node(name);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ rows: 3, started: 1, read: 3 });
  });

  it('has types that a bundler resolves', async () => {
    await compile('esm.mts', 'bundler');
    await compile('backend.mts', 'bundler');
  });

  it.each([
    ['backend.mts', 'backend.mjs'],
    ['backend.cts', 'backend.cjs'],
  ])('gives its backend to any program: %s', async (source, built) => {
    await compile(source, 'nodenext');
    const { stdout, stderr } = await app.node(built);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ backend: 'onnxruntime', learns: true, compilations: 1 });
  });

  it('has one backend, however it is loaded', async () => {
    await app.write('mixed.mjs', mixed);
    const { stdout, stderr } = await app.node('mixed.mjs');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ backends: ['onnxruntime'], chosen: 'cpu', runs: [1, 1] });
  });

  it.each([
    [
      '1',
      { code: 0, stdout: '9\n', stderr: /^onnxruntime: read 1: program \w{8} compiled in .*\n$/ },
    ],
    ['yes', { code: 1, stdout: '', stderr: /BERTRESNET_DEBUG must be 0, 1, 2 or 3, got yes/ }],
  ])('says what the environment asks for: BERTRESNET_DEBUG=%s', async (level, expected) => {
    await app.write(
      'debug.mjs',
      `process.env.BERTRESNET_DEBUG = '${level}';
       await import('bertresnet/onnxruntime');
       const tf = await import('@tensorflow/tfjs-core');
       console.log((await tf.square(3).data())[0]);`,
    );
    const stderr = expect.stringMatching(expected.stderr) as string;
    expect(await app.node('debug.mjs')).toMatchObject({ ...expected, stderr });
  });

  it('keeps the registration of its backend in a bundle', async () => {
    await app.write('bundled.mjs', "import 'bertresnet/onnxruntime';\n");
    const { outputFiles, warnings } = await build({
      absWorkingDir: app.folder,
      entryPoints: ['bundled.mjs'],
      bundle: true,
      format: 'esm',
      platform: 'node',
      external: ['@tensorflow/*', 'onnxruntime-*'],
      write: false,
    });
    expect(warnings).toEqual([]);
    expect(outputFiles[0]!.text).toMatch(/registerBackend\(/);
  });

  it('has types for every example of the documentation', async () => {
    const pages = ['README.md', ...(await documentation())];
    const blocks = (await Promise.all(pages.map((page) => codeBlocks(page)))).flat();
    expect(blocks.length).toBeGreaterThan(0);
    const names = blocks.map((_, i) => `documented${i}.mts`);
    await Promise.all(blocks.map((block, i) => app.write(names[i]!, block.code)));
    const { code, stdout } = await app.tool('tsc', ...flags('nodenext'), '--noEmit', ...names);
    const readable = stdout.replace(
      /documented(\d+)\.mts/g,
      (_, i: string) => blocks[Number(i)]!.name,
    );
    expect(readable).toBe('');
    expect(code).toBe(0);
  });

  it('has a command line that says its version', async () => {
    const { stdout } = await app.node('node_modules/bertresnet/dist/cli.js', '--version');
    expect(stdout.trim()).toBe(manifest.version);
  });

  it('refuses bad usage with exit code 2 and no stack', async () => {
    const cli = 'node_modules/bertresnet/dist/cli.js';
    const { code, stderr, stdout } = await app.node(cli, 'evaluate', 'nowhere', 'rows.csv');
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/nowhere/);
    expect(stderr.trim().split('\n').length).toBeLessThan(3);
  });

  it('refuses so, too, what its own copy of a module refuses', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `word ${i},${i % 2}`);
    await app.write('rows.csv', ['text,label', ...rows, ''].join('\n'));
    const cli = 'node_modules/bertresnet/dist/cli.js';
    const { code, stderr } = await app.node(cli, 'tune', 'rows.csv', '--out', 'rows.csv/found');
    expect(stderr).toMatch(/writing .*rows\.csv.*: it must be a folder, and a file is there\n$/);
    expect(code).toBe(2);
  });

  async function compile(file: string, resolution: 'nodenext' | 'bundler'): Promise<void> {
    const { code, stdout } = await app.tool('tsc', ...flags(resolution), file);
    expect(stdout).toBe('');
    expect(code).toBe(0);
  }
});

describe('importing the package', () => {
  // Only these are installed: an import of an engine, of sharp, of a tokenizer or of a CSV parser would fail.
  let app: Application;

  beforeAll(async () => {
    const others = peers.filter((name) => name !== '@huggingface/transformers');
    app = await install([...others, 'pure-rand', 'valibot']);
  });
  afterAll(() => app.remove());

  it('as ES module loads no engine and no picture library', async () => {
    await app.write(
      'import.mjs',
      `import * as all from 'bertresnet'; console.log(typeof all.Trainer);`,
    );
    expect(await app.node('import.mjs')).toEqual({ code: 0, stdout: 'function\n', stderr: '' });
  });

  it('says what to install where a frozen encoder is asked for without what runs it', async () => {
    await app.write(
      'frozen.mjs',
      `import { InputError, TransformersTextEncoder } from 'bertresnet';
       const error = await TransformersTextEncoder.fromPretrained('a/model').catch((error) => error);
       console.log(error instanceof InputError, error.message);`,
    );
    const { stdout, stderr } = await app.node('frozen.mjs');
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^true transformers: a\/model is run by the package @huggingface\/transformers, which is not available here \(.*\); npm install @huggingface\/transformers\n$/,
    );
  });

  it('for its backend alone needs nothing but TensorFlow.js', async () => {
    await app.write(
      'alone.mjs',
      `import { stats } from 'bertresnet/onnxruntime'; console.log(stats().runs);`,
    );
    expect(await app.node('alone.mjs')).toEqual({ code: 0, stdout: '0\n', stderr: '' });
  });

  it('as CommonJS loads no engine and no picture library', async () => {
    await app.write('require.cjs', `console.log(typeof require('bertresnet').Trainer);`);
    expect(await app.node('require.cjs')).toEqual({ code: 0, stdout: 'function\n', stderr: '' });
  });
});

describe('the tarball', () => {
  let folder: string;
  let tarball: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bertresnet-tarball-'));
    tarball = await pack(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('passes publint and attw', async () => {
    const app = { ...(await install([])) };
    const lint = await app.tool('publint', '--strict', join(app.folder, 'node_modules/bertresnet'));
    const types = await app.tool('attw', '--profile', 'node16', '--no-color', tarball);
    await app.remove();
    expect(lint.stdout + lint.stderr).toMatch(/All good/);
    expect(lint.code).toBe(0);
    // The resolution of Node 10 knows no subpaths, and is left out of the profile.
    const problems = types.stdout.split('\n').filter((line) => /[^🟢]/u.test(marks(line)));
    expect(problems.filter((line) => !line.includes('(ignored'))).toEqual([]);
    expect(types.code).toBe(0);
  });
});

/** Loads the backend by both entries in both module systems, after another one was chosen. */
const mixed = `
  import { createRequire } from 'node:module';
  import * as tf from '@tensorflow/tfjs-core';
  import { useBackend } from 'bertresnet';
  await useBackend('cpu');
  const { stats } = await import('bertresnet/onnxruntime');
  const require = createRequire(import.meta.url);
  const other = require('bertresnet/onnxruntime');
  await require('bertresnet').useBackend('cpu');
  const chosen = tf.getBackend();
  await require('bertresnet').useBackend('onnxruntime', { threads: 1 });
  other.setThreads(1);
  await tf.square(3).data();
  const backends = Object.keys(tf.engine().registryFactory).filter((name) => name !== 'cpu');
  console.log(JSON.stringify({ backends, chosen, runs: [stats().runs, other.stats().runs] }));
`;

/** Evaluates three pictures, and counts the threads and what they read. */
const reading = (load: string, picture: string): string => `
  const run = async () => {
    const threads = process.getBuiltinModule?.('node:worker_threads') ?? (await import('node:worker_threads')).default;
    const { syncBuiltinESMExports } = await import('node:module');
    const seen = { started: 0, read: 0 };
    const { Worker } = threads;
    threads.Worker = class extends Worker {
      constructor(...words) {
        super(...words);
        seen.started++;
        this.on('message', (reply) => 'values' in reply && seen.read++);
      }
    };
    syncBuiltinESMExports();
    const { BertResNetModel, ImageProcessor, datasetFrom, evaluate, useBackend } = ${load};
    await useBackend('cpu');
    const image = { embeddingSize: 4, hiddenSizes: [4], depths: [1], layerType: 'basic' };
    const processor = new ImageProcessor({ size: 8 });
    const model = new BertResNetModel({ text: 'bert-tiny', image, processor });
    const rows = ['0', '1', '0'].map((label) => ({ image: ${JSON.stringify(picture)}, label }));
    const report = await evaluate(model, datasetFrom(rows));
    console.log(JSON.stringify({ rows: report.rows, ...seen }));
  };
  run();
`;

/** The signs that attw sets beside a resolution. */
const marks = (line: string): string => line.match(/\p{Extended_Pictographic}/gu)?.join('') ?? '';

function flags(resolution: 'nodenext' | 'bundler'): string[] {
  const module = resolution === 'nodenext' ? 'nodenext' : 'esnext';
  const strictness = ['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes'];
  const target = ['--target', 'es2022', '--lib', 'es2023,dom', '--types', 'node'];
  return [
    '--module',
    module,
    '--moduleResolution',
    resolution,
    ...strictness,
    ...target,
    '--skipLibCheck',
  ];
}

interface CodeBlock {
  /** Where it stands: `README.md block 2`. */
  readonly name: string;
  readonly code: string;
}

async function documentation(): Promise<string[]> {
  const pages = await readdir(join(root, 'docs'));
  return pages.filter((page) => page.endsWith('.md')).map((page) => `docs/${page}`);
}

/** The TypeScript of a page: what stands between ```ts and ```. Each block is a module of its own. */
async function codeBlocks(page: string): Promise<CodeBlock[]> {
  const markdown = await readFile(join(root, page), 'utf8');
  const blocks = [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)];
  return blocks.map((match, i) => ({
    name: `${page} block ${i + 1}`,
    code: `${match[1]}\nexport {};\n`,
  }));
}
