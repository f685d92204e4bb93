import { expect, test } from 'vitest';
import { describePage } from './chromium.js';
import type { Tuned } from './pages/features.js';

const shared = '.cache/bertresnet/features';

describePage('features', 'what is kept of frozen encoders', (page) => {
  const tune = (cacheFeatures: boolean | string, seed?: number): Promise<Tuned> =>
    page().call('tune', cacheFeatures, seed);
  const names = (folder: string): Promise<string[]> => page().call('names', folder);

  test('gives the numbers of a run without, and each encoder runs once over the rows', async () => {
    const plain = await tune(false);
    const first = await tune(true);
    expect(first.calls.text).toBeLessThan(plain.calls.text);
    first.losses.forEach((loss, i) => expect(loss).toBeCloseTo(plain.losses[i]!, 4));
    const again = await tune(true);
    expect(again.calls).toEqual({ text: 0, image: 0 });
    expect([again.losses, again.weights]).toEqual([first.losses, first.weights]);
    expect((await names(shared)).map((name) => name.replace(/-.*/, ''))).toEqual(
      ['image', 'image', 'text', 'text'], // one for the training rows, one for the validation rows
    );
  });

  test('is there after the page was loaded again', async () => {
    await page().load();
    expect((await tune(true)).calls).toEqual({ text: 0, image: 0 });
  });

  test('is computed anew for other weights, and where a file is damaged', async () => {
    const first = await tune('kept');
    expect((await tune('kept', 1)).calls).toEqual(first.calls);
    const damaged = (await names('kept')).find((name) => name.startsWith('image-'))!;
    await page().call('damage', `kept/${damaged}`);
    const counts: number[] = [];
    for (const seed of [undefined, 1]) {
      const { calls, warnings } = await tune('kept', seed);
      expect(calls.text).toBe(0);
      counts.push(calls.image);
      const said = warnings.filter((warning) => /is damaged.*; it is removed, and/.test(warning));
      expect(said).toHaveLength(calls.image === 0 ? 0 : 1);
    }
    expect(counts.filter((count) => count > 0)).toHaveLength(1);
  });

  test('full storage is said', async () => {
    await page().limitStorage(1);
    const { error } = (await tune('full')) as unknown as { error: string };
    expect(error).toMatch(
      /^features: cacheFeatures needs a folder that can be written, got 'full' \(writing full: the browser's storage for this site is full/,
    );
    await page().limitStorage();
    expect((await tune('full')).losses).toHaveLength(10);
  });
});

describePage('features', "a model saved to a directory's handle", (page) => {
  interface Saved {
    readonly same?: boolean;
    readonly names: string[];
    readonly error?: string;
  }
  const save = (name: string, more?: object): Promise<Saved> => page().call('saveTo', name, more);
  const files = [
    ...['README.md', 'config.json', 'model.safetensors', 'preprocessor_config.json'],
    ...['tokenizer.json', 'tokenizer_config.json'],
  ];

  test('is read from it again, and replaced as a whole', async () => {
    expect(await save('picked')).toEqual({ same: true, names: files });
    expect(await save('picked')).toEqual({ same: true, names: files });
  });

  test("leaves a folder alone that holds something of another's, or may not be written", async () => {
    expect(await save('other', { besides: 'notes.txt' })).toEqual({
      names: ['notes.txt'],
      error:
        "writing other: it is replaced as a whole, and 'notes.txt' in it would get lost; " +
        'move that away, or name another folder',
    });
    const { error, names } = await save('readonly', { refused: true });
    expect(names).toEqual([]);
    expect(error).toMatch(
      /^writing readonly.*: the page may not write there; let the folder be picked/,
    );
  });
});
