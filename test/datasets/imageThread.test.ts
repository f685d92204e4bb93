import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageProcessor } from '../../src/datasets/image.js';
import { ImageThread } from '../../src/datasets/imageThread.js';
import { InputError } from '../../src/errors.js';
import { Random } from '../../src/nn/random.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pictures = join(root, 'test/fixtures/images');
const folder = join(root, 'node_modules/.cache/bertresnet', `thread-${process.pid}`);
const worker = pathToFileURL(join(folder, 'imageWorker.js'));
const processor = new ImageProcessor({ size: 16, cropSize: 12 });
let names: string[] = [];

beforeAll(async () => {
  names = (await readdir(pictures)).filter((name) => !name.endsWith('.json'));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await bundle('src/datasets/imageWorker.node.ts', 'imageWorker.js');
});
afterAll(() => rm(folder, { recursive: true }));

async function bundle(entry: string, name: string): Promise<void> {
  await build({
    entryPoints: [join(root, entry)],
    outfile: join(folder, name),
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  });
}

async function withThread<T>(body: (thread: ImageThread) => Promise<T>, file = worker): Promise<T> {
  const thread = new ImageThread(processor, file);
  try {
    return await body(thread);
  } finally {
    await thread.close();
  }
}

describe('ImageThread', () => {
  it('reads what the processor reads, from files, bytes and pixels', async () => {
    const pixels = { data: new Uint8Array(20 * 20 * 4).fill(77), width: 20, height: 20 };
    const bytes = await readFile(join(pictures, 'rgb.jpg'));
    const sources = [
      ...names.map((name) => join(pictures, name)),
      bytes,
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
      new Blob([bytes]),
      pixels,
    ];
    expect(sources.length).toBeGreaterThan(20);
    await withThread(async (thread) => {
      const read = await Promise.all(sources.map((source) => thread.load(source)));
      expect(thread.isThreaded).toBe(true);
      for (const [i, source] of sources.entries())
        expect(read[i]).toEqual(await processor.load(source));
      expect(bytes.length).toBeGreaterThan(0);
    });
  });

  it('draws the changes that the processor draws', async () => {
    const source = join(pictures, 'rgb.jpg');
    const augment = { randomResizedCrop: { scale: [0.3, 1] }, brightness: 0.4 } as const;
    const load = (reader: ImageThread | ImageProcessor, row: number) =>
      reader.load(source, { augment, random: new Random(42, 'augment', 0, row) });
    await withThread(async (thread) => {
      expect(await load(thread, 1)).toEqual(await load(processor, 1));
      expect(await load(thread, 2)).not.toEqual(await load(processor, 1));
    });
  });

  it('gives errors as the processor gives them', async () => {
    await withThread(async (thread) => {
      for (const source of [join(pictures, 'expected.json'), '/nowhere.png', new Uint8Array(0)]) {
        const expected = await processor.load(source).catch((error: unknown) => error);
        const got = await thread.load(source).catch((error: unknown) => error);
        expect(got).toBeInstanceOf(InputError);
        expect(got).toEqual(expected);
      }
    });
  });

  it.each([
    ['is not there', undefined],
    ['cannot start', "throw new Error('no');"],
    [
      'dies',
      "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(1));",
    ],
  ])('leaves pictures to the processor where the worker %s', async (name, code) => {
    const file = join(folder, `${name.replaceAll(' ', '-')}.mjs`);
    if (code !== undefined) await writeFile(file, code);
    await withThread(async (thread) => {
      const source = join(pictures, 'rgb.jpg');
      const read = await Promise.all([thread.load(source), thread.load(source)]);
      expect(read).toEqual([await processor.load(source), await processor.load(source)]);
      expect(await thread.load(source)).toEqual(read[0]);
      expect(thread.isThreaded).toBe(false);
    }, pathToFileURL(file));
  });

  it('leaves pictures to a processor that reads them in its own way', async () => {
    const own = new ImageProcessor({ size: 16 });
    own.load = async () => new Float32Array(3);
    const thread = new ImageThread(own, worker);
    expect(await thread.load('x.png')).toEqual(new Float32Array(3));
    await thread.close();
  });

  it('goes on without its thread when that is closed', async () => {
    const thread = new ImageThread(processor, worker);
    const source = join(pictures, 'rgb.jpg');
    const [underWay] = await Promise.all([thread.load(source), thread.close()]);
    expect(underWay).toEqual(await processor.load(source));
    expect(await thread.load(source)).toEqual(underWay);
    await thread.close();
  });

  it('keeps no process alive, and lets none end before its picture', async () => {
    await writeFile(
      join(folder, 'child.ts'),
      `import { ImageProcessor } from '${root}/src/datasets/image.js';
       import { ImageThread } from '${root}/src/datasets/imageThread.js';
       const thread = new ImageThread(new ImageProcessor({ size: 4 }));
       const { length } = await thread.load('${join(pictures, 'rgb.jpg')}');
       console.log(length, thread.isThreaded);`,
    );
    await build({
      entryPoints: [join(folder, 'child.ts')],
      outfile: join(folder, 'child.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      plugins: [
        {
          name: 'external-packages',
          setup: (bundling) =>
            bundling.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
              kind === 'entry-point' || path.startsWith('@tensorflow/tfjs-core/dist/')
                ? null
                : { path, external: true },
            ),
        },
      ],
    });
    const ended = await promisify(execFile)(process.execPath, [join(folder, 'child.mjs')]);
    expect(ended.stdout).toBe('48 true\n');
  });
});
