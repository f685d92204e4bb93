import { randomBytes } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { describePage } from './chromium.js';
import { FileServer, hashOf } from './fileServer.js';
import type { Fetched } from './pages/weights.js';

const size = 20_000_000;
const [first, second] = [randomBytes(size), randomBytes(size + 1)];
const sum = (content: Buffer): string => hashOf('sha256', content);
const weights = '/weights/model.safetensors';
const server = new FileServer();

describePage(
  'weights',
  'weights from an address',
  (page) => {
    const read = (name = 'model.safetensors', options: object = {}): Promise<Fetched> =>
      page().call('read', './weights/', name, options);
    /** As `read`, but that the connection breaks behind some 10 MB. */
    const readBroken = async (): Promise<Fetched> => {
      server.holdsAfter = 11_000_000;
      await page().call('begin', 10_000_000, './weights/', 'model.safetensors');
      server.drop();
      return page().call('begunRead');
    };
    const ranges = (): (string | undefined)[] => server.asked.map(({ range }) => range);
    const statuses = (): number[] => server.asked.map(({ status }) => status);

    beforeEach(async () => {
      server.reset();
      server.files.clear();
      server.files.set(weights, first);
      server.files.set('/weights/config.json', Buffer.from('{"model_type":"bert"}'));
      await page().load(); // What was asked once is not asked again by the same page, else.
    });

    test('tell how far they are, and are not fetched again', async () => {
      const { hash, progress } = await read();
      expect(hash).toBe(sum(first));
      expect(progress[0]).toEqual({ file: 'model.safetensors', loaded: 0, total: size });
      expect(progress.at(-1)).toEqual({ file: 'model.safetensors', loaded: size, total: size });
      const loaded = progress.map(({ loaded }) => loaded);
      expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
      expect(loaded.length).toBeGreaterThan(3);
      expect(await read()).toEqual({ hash: sum(first), progress: [] });
      expect(statuses()).toEqual([200, 304]);
    });

    test('are those of the cache without a network, or where the server is down', async () => {
      await read();
      for (const failure of ['gone', 503, 429] as const) {
        server.failure = failure;
        expect(await read()).toEqual({ hash: sum(first), progress: [] });
      }
      const { error } = await read('config.json');
      expect(error).toMatch(
        /^pretrained: http:.*\/weights\/config\.json could not be fetched: it ans/,
      );
      server.failure = 403;
      expect((await read()).error).toMatch(/it answered 403$/);
    });

    test('are fetched anew where they have changed', async () => {
      await read();
      server.files.set(weights, second);
      expect((await read()).hash).toBe(sum(second));
      server.failure = 'gone';
      expect((await read()).hash).toBe(sum(second));
    });

    test('are fetched anew where the server does not say whether they have changed', async () => {
      server.files.set(weights, second.subarray(1)); // as long as the first
      server.hidesTags = true;
      expect((await read()).hash).toBe(sum(second.subarray(1)));
      server.files.set(weights, first);
      expect((await read()).hash).toBe(sum(first));
    });

    test('go on behind an interruption', async () => {
      server.files.set(weights, second);
      const { error, progress } = await readBroken();
      expect(error).toMatch(
        /model\.safetensors could not be fetched: \d+ of 20000001 bytes came \(.+\); what came is kept, and/,
      );
      const came = progress.at(-1)!.loaded;
      expect(came).toBeGreaterThan(9_000_000);
      await page().load();
      const rest = await read();
      expect(rest.hash).toBe(sum(second));
      expect(rest.progress[0]!.loaded).toBe(came);
      expect(server.asked.at(-1)).toMatchObject({
        range: `bytes=${came}-`,
        ifRange: `"${hashOf('sha1', second)}"`,
        status: 206,
      });
    });

    test('go on after the page was closed while they came', async () => {
      server.holdsAfter = 11_000_000;
      await page().call('begin', 10_000_000, './weights/', 'model.safetensors');
      await page().load();
      server.drop();
      const { hash, progress } = await read();
      expect(hash).toBe(sum(first));
      expect(progress[0]!.loaded).toBeGreaterThanOrEqual(8_000_000);
      expect(statuses()).toEqual([200, 206]);
    });

    test('begin again where what had come is of other weights, or ranges are ignored', async () => {
      server.files.set(weights, second);
      expect((await readBroken()).error).toMatch(/could not be fetched/);
      server.files.set(weights, first);
      expect((await read()).hash).toBe(sum(first));
      expect(statuses()).toEqual([200, 200]);
      server.files.set(weights, second);
      expect((await readBroken()).error).toMatch(/could not be fetched/);
      server.ignoresRanges = true;
      const again = await read();
      expect(again.hash).toBe(sum(second));
      expect(again.progress[0]!.loaded).toBe(0);
      expect(ranges().filter((range) => range !== undefined)).toHaveLength(2);
    });

    test('keep the old ones until the new ones are whole', async () => {
      await read();
      server.files.set(weights, second);
      expect((await readBroken()).error).toMatch(/could not be fetched/);
      server.failure = 'gone';
      expect((await read()).hash).toBe(sum(first));
    });

    test('do not begin where they do not fit', async () => {
      await page().call('sayRoom', 5_000_000);
      const { error, progress } = await read('model.safetensors', { cacheDir: 'elsewhere' });
      expect(progress).toEqual([]);
      expect(error).toBe(
        "pretrained: model.safetensors takes 20.0 MB, and the browser's storage for this site has room for " +
          '5.0 MB (of 5.0 MB); free some of it, and try again',
      );
    });

    test('say so where the storage fills up, and go on once there is room', async () => {
      await page().limitStorage(1000);
      const { error } = await read('model.safetensors', { cacheDir: 'elsewhere' });
      expect(error).toMatch(
        /^pretrained: model\.safetensors cannot be kept: .*the browser's storage for this site is full/,
      );
      await page().limitStorage();
      expect((await read('model.safetensors', { cacheDir: 'elsewhere' })).hash).toBe(sum(first));
    });

    test('are held in memory where the page has no private file system', async () => {
      await page().call('takePrivateFiles');
      const { hash, progress } = await read();
      expect(hash).toBe(sum(first));
      expect(progress.at(-1)!.loaded).toBe(size);
      const { error } = await page().call<Fetched>('read', 'owner/name', 'config.json');
      expect(error).toMatch(/^files: this page has no private file system; serve it by https/);
    });

    test('what is missing is known, without a network too', async () => {
      const has = (): Promise<unknown[]> =>
        page().call('has', './weights/', ['config.json', 'vocab.txt', 'tokenizer.json']);
      expect(await has()).toEqual([true, false, false]);
      await read('config.json');
      server.failure = 'gone';
      await page().load();
      expect((await has()).slice(1)).toEqual([false, false]);
      expect(await page().call('has', './weights/', ['new.txt'])).toEqual([
        expect.stringMatching(/^pretrained: .*new\.txt could not be fetched/),
      ]);
    });
  },
  { listeners: { '/weights/': server.listener } },
);
