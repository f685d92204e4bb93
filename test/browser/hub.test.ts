import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/browser/serve.js';
import type { StaticServer } from '../../scripts/browser/serve.js';
import { useBackend } from '../../src/backends/select.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { BertResNetModel } from '../../src/model.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { Oracle } from '../oracle.js';
import { describePage } from './chromium.js';
import { HubServer, hashOf } from './fileServer.js';
import type { Fetched } from './pages/weights.js';

const size = 20_000_000;
const [first, second] = [randomBytes(size), randomBytes(size)];
const sum = (content: Buffer): string => hashOf('sha256', content);
const hub = new HubServer();
let hubAt: StaticServer;
const folder = await mkdtemp(join(tmpdir(), 'hub-'));
const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'so', 'good'];

beforeAll(async () => {
  hubAt = await serve(new Map(), {}, { isolated: false, listeners: { '/': hub.listener } });
  const bert = new Oracle('bert-gelu');
  await useBackend('cpu');
  const tokenizer = await BertTokenizer.fromVocab(vocabulary);
  await tokenizer.save(folder);
  hub.files.set('config.json', Buffer.from(bert.metadata['config']!));
  hub.files.set('model.safetensors', Buffer.from(await writeSafetensors(bert.under('weight.'))));
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    hub.files.set(name, await readFile(join(folder, name)));
  hub.files.set('large folder/large.bin', first);
});
afterAll(async () => {
  await hubAt?.close();
  await rm(folder, { recursive: true });
});

describePage('weights', 'weights from the hub', (page) => {
  const cache = '.cache/bertresnet/weights/models--owner--name';
  const read = (name: string, options: object = {}, id = 'owner/name'): Promise<Fetched> =>
    page().call('read', id, name, { hubUrl: hubAt.origin, ...options });
  const create = (options: object = {}): Promise<Record<string, number[]> | string> =>
    page().call('create', 'owner/name', { hubUrl: hubAt.origin, ...options });

  beforeEach(() => {
    hub.reset();
    hub.token = undefined;
  });

  test('are those that Node reads, and need no network a second time', async () => {
    const created = (await create()) as Record<string, number[]>;
    const query = 'encoder.layer.0.attention.self.query.weight';
    const expected = new Oracle('bert-gelu').host(`weight.${query}`).values;
    expect(created[`text_encoder.${query}`]).toEqual([...expected]);
    expect(hub.asked.filter(({ path }) => path.includes('/resolve/')).length).toBe(4);
    hub.failure = 'gone';
    await page().load();
    expect(await create()).toEqual(created);
    expect(await read('absent.json')).toMatchObject({
      error: expect.stringMatching(
        /^pretrained: absent\.json of owner\/name is not in the cache .*the hub cannot be reached.*open the page once with a network, or serve/,
      ),
    });
  });

  test('go on behind an interruption, without a condition that the hub would have to grant', async () => {
    hub.holdsAfter = 11_000_000;
    const options = { hubUrl: hubAt.origin };
    await page().call('begin', 10_000_000, 'owner/name', 'large folder/large.bin', options);
    hub.drop();
    const cut = await page().call<Fetched>('begunRead');
    expect(cut.error).toMatch(
      /^pretrained: large folder\/large\.bin of owner\/name could not be downloaded: .* what came is kept.*; try again$/,
    );
    hub.reset();
    const { hash, progress } = await read('large folder/large.bin');
    expect(hash).toBe(sum(first));
    const came = cut.progress.at(-1)!.loaded;
    expect(progress[0]).toEqual({ file: 'large folder/large.bin', loaded: came, total: size });
    const last = hub.asked.at(-1)!;
    expect([last.status, last.range, last.ifRange]).toEqual([206, `bytes=${came}-`, undefined]);
    expect(await page().call('names', `${cache}/blobs`)).toContain(sum(first));
  });

  test('follow a branch that has moved, and fetch only what has changed', async () => {
    await read('config.json');
    const before = hub.commits['main']!;
    hub.commits['main'] = 'f'.repeat(40);
    hub.reset();
    expect((await read('large folder/large.bin')).progress).toEqual([]);
    expect(hub.asked.filter(({ path }) => path.includes('/resolve/'))).toEqual([]);
    hub.commits['main'] = before;
  });

  test.each([
    ['cut', first.subarray(0, 1_500_000), /1500000 bytes came instead of 20000000|bytes came \(/],
    ['another', second, /its hash is not the one listed/],
  ])('a download that is %s is not kept', async (name, content, message) => {
    hub.commits[name] = 'e'.repeat(39) + name.length;
    const cacheDir = `cache-${name}`;
    const listed = await read('config.json', { revision: name, cacheDir });
    expect(listed.error).toBeUndefined();
    hub.files.set('large folder/large.bin', content);
    const got = await read('large folder/large.bin', { revision: name, cacheDir });
    expect(got.error).toMatch(message);
    hub.files.set('large folder/large.bin', first);
    const again = await read('large folder/large.bin', { revision: name, cacheDir });
    expect(again.hash).toBe(sum(first));
  });

  describe('refuse with the words of Node', () => {
    const cases: [string, object, string][] = [
      ['owner/absent', {}, 'Repository not found'],
      ['owner/name', { revision: 'v9' }, 'Invalid rev id: v9'],
      ['owner/name', { revision: '../main' }, ''],
      ['owner/name', { token: 'secret' }, ''],
      ['owner//name', {}, ''],
    ];
    test.each(cases)('%s %j', async (id, options, reason) => {
      const { error } = await read('config.json', options, id);
      const node = await BertTokenizer.fromPretrained(id, {
        ...options,
        cacheDir: folder,
        hubUrl: hubAt.origin,
      }).catch((error: Error) => error.message);
      const cut = (message: string): string => message.replace(/refused it: .*; check/, 'check');
      expect(cut(error!)).toBe(cut(node as string));
      expect(error).toContain(reason);
    });
  });

  test('come with a token where the model is gated', async () => {
    hub.token = 'hf_right';
    const gated = await read('config.json', { cacheDir: 'gated' });
    expect(gated.error).toMatch(/Access to model owner\/name is restricted.*accept its terms/);
    const { hash } = await read('config.json', { cacheDir: 'gated', token: 'hf_right' });
    expect(hash).toBe(sum(hub.files.get('config.json')!));
  });

  test('no network and no cache', async () => {
    hub.failure = 'gone';
    const { error } = await read('config.json', { cacheDir: 'none' });
    expect(error).toMatch(
      /^pretrained: 'owner\/name' is no folder here and is not in the cache none, and the hub cannot be reached/,
    );
  });
});

test('the model of the tests is read in Node as well', async () => {
  hub.reset();
  hub.token = undefined;
  const told: number[] = [];
  const model = await BertResNetModel.create({
    text: 'owner/name',
    image: { embeddingSize: 4, hiddenSizes: [4], depths: [1], layerType: 'basic' },
    cacheDir: join(folder, 'cache'),
    hubUrl: hubAt.origin,
    onProgress: ({ file, loaded }) => {
      if (file === 'model.safetensors') told.push(loaded);
    },
  });
  model.dispose();
  expect([told[0], told.at(-1)]).toEqual([0, hub.files.get('model.safetensors')!.length]);
});
