import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyConsumers, install, pack, root } from './packed.js';
import type { Application } from './packed.js';

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;
const runtime = [manifest.dependencies, manifest.optionalDependencies, manifest.peerDependencies];
const compilation = ['typescript', '@types/node', '@types/cli-progress'];
const answer = { backend: 'cpu', shape: [1, 2], values: 2, oneTensorFlow: true, parameters: true };

describe('the packed package', () => {
  let app: Application;

  beforeAll(async () => {
    app = await install([...runtime.flatMap((some) => Object.keys(some)), ...compilation]);
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

  it('has types that a bundler resolves', async () => {
    await compile('esm.mts', 'bundler');
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
    app = await install([...Object.keys(manifest.peerDependencies), 'pure-rand', 'valibot']);
  });
  afterAll(() => app.remove());

  it('as ES module loads no engine and no picture library', async () => {
    await app.write(
      'import.mjs',
      `import * as all from 'bertresnet'; console.log(typeof all.Trainer);`,
    );
    expect(await app.node('import.mjs')).toEqual({ code: 0, stdout: 'function\n', stderr: '' });
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
    expect(types.stdout).toMatch(/No problems found/);
    expect(types.code).toBe(0);
  });
});

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
