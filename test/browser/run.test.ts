import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BlobReader, Uint8ArrayWriter, ZipReader } from '@zip.js/zip.js';
import { afterAll, expect, test } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { BertResNetModel } from '../../src/model.js';
import { weightsOf } from '../training/tiny.js';
import { describePage } from './chromium.js';
import type { Ran, Stop } from './pages/run.js';

const folder = await mkdtemp(join(tmpdir(), 'run-'));
afterAll(() => rm(folder, { recursive: true }));

async function unpack(bytes: Uint8Array): Promise<void> {
  const reader = new ZipReader(new BlobReader(new Blob([new Uint8Array(bytes)])));
  for (const entry of await reader.getEntries()) {
    if (entry.directory) continue;
    const path = join(folder, entry.filename);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, await entry.getData(new Uint8ArrayWriter()));
  }
}

const files = {
  more: { '/run/': folder },
  workers: { runWorker: 'test/browser/pages/runWorker.ts' },
};
describePage(
  'run',
  'a run in a Worker, kept in the private file system',
  (page) => {
    const train = (order: object, stop?: Stop) => page().call<Ran>('train', order, stop);
    const products = (run: string) => page().call<Record<string, string>>('products', run);
    let whole: Ran;

    test('trains to its end while the page goes on', async () => {
      whole = await train({ outputDir: 'runs/whole' });
      expect(whole.ended).toBe('done');
      expect(whole.losses).toHaveLength(15);
      expect(whole.turns).toBeGreaterThan(10);
    });

    test('has the files that it has in Node', async () => {
      const names = Object.keys(await products('runs/whole')).toSorted();
      expect(names).toEqual(
        [
          '/checkpoint/last.safetensors',
          '/config.json',
          '/history.jsonl',
          '/metrics.json',
          ...['README.md', 'config.json', 'model.safetensors', 'preprocessor_config.json'].map(
            (name) => `/model/${name}`,
          ),
          '/model/tokenizer.json',
          '/model/tokenizer_config.json',
        ].toSorted(),
      );
    });

    test('goes on behind a pause, after the page was loaded again', async () => {
      const paused = await train({ outputDir: 'runs/paused' }, { step: 4 });
      expect(paused.ended).toBe('paused');
      await page().load();
      const resumed = await train({ outputDir: 'runs/paused', resume: true });
      expect(resumed.ended).toBe('done');
      expect([...paused.losses, ...resumed.losses]).toEqual(whole.losses);
      expect(await products('runs/paused')).toEqual(await products('runs/whole'));
    });

    test('ends as one that was not killed, whichever file was being written', async () => {
      const last = 40;
      const kills: string[] = [];
      for (let writing = 2; writing <= last; writing += 3) {
        const order = { outputDir: 'runs/killed', resume: true, slowWrites: true };
        kills.push((await train(order, { writing })).ended);
        await page().load();
      }
      expect(kills.filter((how) => how === 'stopped').length).toBeGreaterThan(5);
      expect(kills.filter((how) => how !== 'stopped' && how !== 'done')).toEqual([]);
      expect((await train({ outputDir: 'runs/killed', resume: true })).ended).toBe('done');
      expect(await products('runs/killed')).toEqual(await products('runs/whole'));
    });

    test('loses nothing where the storage is full, and goes on once there is room', async () => {
      const begun = await train({ outputDir: 'runs/full' }, { step: 6 });
      expect(begun.ended).toBe('paused');
      const before = await products('runs/full');
      await page().limitStorage(1000);
      const full = await train({ outputDir: 'runs/full', resume: true });
      expect(full.ended).toMatch(
        /^writing runs\/full\/.*: the browser's storage for this site is full/,
      );
      const { '/history.jsonl': _, ...kept } = before;
      expect(await products('runs/full')).toMatchObject(kept);
      await page().limitStorage();
      const resumed = await train({ outputDir: 'runs/full', resume: true });
      expect(resumed.ended).toBe('done');
      expect([...begun.losses, ...resumed.losses]).toEqual(whole.losses);
      expect(await products('runs/full')).toEqual(await products('runs/whole'));
    });

    test('has its folder to itself: a second one is refused, and the first ends as if alone', async () => {
      const { first, second } = await page().call<{ first: Ran; second: Ran }>(
        'contend',
        'runs/shared',
      );
      expect(second.losses).toEqual([]);
      expect(second.ended).toMatch(
        /^trainer: outputDir must be a folder that no other run writes to, and another one, here or in another tab, writes to 'runs\/shared' now/,
      );
      expect(first.ended).toBe('done');
      expect(await products('runs/shared')).toEqual(await products('runs/whole'));
      expect((await train({ outputDir: 'runs/shared', resume: true })).ended).toBe('done');
    });

    test('unpacks to a folder that Node reads, and that an address serves', async () => {
      await unpack(await page().call<Uint8Array>('zip', 'runs/whole'));
      await useBackend('cpu');
      const node = await weightsOf(await BertResNetModel.fromPretrained(join(folder, 'model')));
      expect(await page().call('load', 'runs/whole/model')).toEqual(node);
      expect(await page().call('load', './run/model/')).toEqual(node);
      expect(await page().call('load', './run/')).toMatch(/^BertResNetModel: |^pretrained: /);
      expect(await page().call('load', 'opfs:nowhere')).toMatch(/^pretrained: there is no folder/);
    });
  },
  files,
);
