import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { BlobReader, Uint8ArrayWriter, ZipReader } from '@zip.js/zip.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compared, left, travel } from '../training/moved.js';
import type { Leg, Losses } from '../training/moved.js';
import { describePage } from './chromium.js';
import { ways, waysBut } from './ways.js';

const folder = await mkdtemp(join(tmpdir(), 'moved-'));
afterAll(() => rm(folder, { recursive: true }));

/** The files of a folder, by their paths under another one. */
async function filesOf(path: string, under: string): Promise<Record<string, Uint8Array>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => join(parentPath, name));
  const read = files.map(
    async (file) =>
      [`${under}/${relative(path, file)}`, Uint8Array.from(await readFile(file))] as const,
  );
  return Object.fromEntries(await Promise.all(read));
}

async function unpack(bytes: Uint8Array, to: string): Promise<void> {
  const reader = new ZipReader(new BlobReader(new Blob([new Uint8Array(bytes)])));
  for (const entry of await reader.getEntries()) {
    if (entry.directory) continue;
    await mkdir(dirname(join(to, entry.filename)), { recursive: true });
    await writeFile(join(to, entry.filename), await entry.getData(new Uint8ArrayWriter()));
  }
}

/** A card in software takes minutes for shaders that only these would compile. */
const tested = waysBut(
  "TensorFlow.js's shaders, float32 textures",
  'onnxruntime-web, its WebGPU provider',
);

describePage('moved', 'a run of Node’s onnxruntime', (page) => {
  const begun = join(folder, 'begun');
  let stayed: Losses;
  beforeAll(async () => {
    await travel({ backend: 'onnxruntime', outputDir: begun, until: left });
    const outputDir = join(folder, 'stayed');
    await cp(begun, outputDir, { recursive: true });
    stayed = await travel({ backend: 'onnxruntime', outputDir, until: left + compared });
  });

  const arrive = async (leg: Leg): Promise<Losses> => {
    await page().load();
    await page().call('receive', await filesOf(begun, leg.outputDir));
    return page().call<Losses>('travel', leg);
  };
  const expectAsStayed = (moved: Losses, steps: number): void => {
    expect(Object.keys(moved)).toHaveLength(steps);
    for (const [step, loss] of Object.entries(moved))
      expect(Math.abs(loss - stayed[Number(step)]!), `step ${step}`).toBeLessThan(1e-3);
  };

  test.each(tested)(
    'continues in Chromium on %s %o: the losses are those of staying',
    async (backend, options, computedBy) => {
      const leg = { backend, options, outputDir: `runs/${computedBy}`, until: left + 2 };
      expectAsStayed(await arrive(leg), 2);
    },
    3_600_000, // milliseconds: a card in software compiles each shader for the processor
  );

  test('and comes back', async () => {
    const [backend, options] = ways[1];
    const there = await arrive({ backend, options, outputDir: 'runs/travels', until: left + 3 });
    expectAsStayed(there, 3);
    const outputDir = join(folder, 'back');
    await unpack(await page().call<Uint8Array>('zip', 'runs/travels'), outputDir);
    expectAsStayed(
      await travel({ backend: 'onnxruntime', outputDir, until: left + compared }),
      compared - 3,
    );
  });
});
