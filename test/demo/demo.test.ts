import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { BlobReader, BlobWriter, ZipReader, ZipWriter } from '@zip.js/zip.js';
import type { Download, Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { BertResNetModel, readSafetensors } from '../../src/index.js';
import {
  curves,
  describeDemo,
  patience,
  picture,
  ready,
  setPasses,
  trainToEnd,
  useEmoji,
  violations,
} from './demoPage.js';

const csv = (text: string, name = 'rows.csv') => ({
  name,
  mimeType: 'text/csv',
  buffer: Buffer.from(text),
});
const png = async (name: string, colour: string) => ({
  name,
  mimeType: 'image/png',
  buffer: await picture(colour),
});

/** Rows whose label is in the text, or in the colour of the picture. */
function shopRows(separator = ','): string {
  const lines = Array.from({ length: 24 }, (_, i) => {
    const [text, image, label] =
      i % 2 === 0
        ? ['a ripe fig', 'img/red.png', 'fruit']
        : ['a new chair', 'img/blue.png', 'furniture'];
    return [`"${text}${separator} number ${i}"`, image, label].join(separator);
  });
  return [['caption', 'photo', 'kind'].join(separator), ...lines].join('\n');
}

/** A zip of some files. */
async function zipped(files: ReadonlyMap<string, Buffer>): Promise<Buffer> {
  const writer = new ZipWriter(new BlobWriter());
  for (const [name, content] of files)
    await writer.add(name, new BlobReader(new Blob([new Uint8Array(content)])));
  return Buffer.from(await (await writer.close()).arrayBuffer());
}

/** Drops a folder of this machine on the page, as a hand would from a file manager. */
async function dropped(page: Page, folder: string): Promise<void> {
  const { x, y, width, height } = (await page.locator('#drop').boundingBox())!;
  const at = { x: x + width / 2, y: y + height / 2, modifiers: 0 };
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  const client = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await client.send('Input.dispatchDragEvent', { type, ...at, data });
}

/** The files of a zip that was downloaded, in a folder. */
async function unzipped(download: Download, folder: string): Promise<void> {
  const zip = new Blob([await readFile((await download.path())!)]);
  for (const entry of await new ZipReader(new BlobReader(zip)).getEntries()) {
    if (entry.directory) continue;
    const path = join(folder, entry.filename);
    mkdirSync(dirname(path), { recursive: true });
    const blob = await entry.getData(new BlobWriter());
    await writeFile(path, new Uint8Array(await blob.arrayBuffer()));
  }
}

const downloaded = async (page: Page, button: string): Promise<Download> => {
  const download = page.waitForEvent('download');
  await page.click(button);
  return download;
};

/** Opens a report that was downloaded: whole, readable and accessible. */
async function showsReport(page: Page, html: string): Promise<void> {
  expect(html).not.toMatch(/<script/);
  const report = await page.context().newPage();
  await report.setContent(html);
  expect(await report.textContent('h1')).toBe('emoji: a classifier of text and image');
  expect(await report.locator('h2').allTextContents()).toEqual([
    ...['Summary', 'Learning curves', 'Labels and confusions', 'Text, image, both'],
    ...['Calibration', 'The surest mistakes', 'Leakage', 'Configuration'],
  ]);
  expect(await report.locator('.mistakes img').count()).toBeGreaterThan(0);
  expect(await report.textContent('.mistakes .row')).toMatch(/^row \d+$/);
  expect(await report.textContent('#calibration')).toContain('After calibration');
  expect(await violations(report)).toEqual([]);
  await report.close();
}

describeDemo('the demo', (demo) => {
  it(
    'trains on emoji, explains an answer, and gives a model that Node loads',
    async () => {
      const page = await demo.open({ acceptDownloads: true });
      await useEmoji(page);
      expect(await page.textContent('.data-head')).toContain('120');
      await page.waitForSelector('.estimate:has-text("about")');
      await setPasses(page, 2);
      await page.click('#train-main');
      const table = await trainToEnd(page);
      expect(table.split('\n')).toHaveLength(2);
      expect(await page.locator('.confusion tbody tr').count()).toBe(8);
      expect(await page.locator('.worth li').count()).toBe(3);

      await page.click('.sample >> nth=0');
      await page.waitForSelector('.waterfall');
      expect(await page.textContent('.explanation')).toMatch(/text|picture/);
      const text = await page.inputValue('#try-text');
      const said = await page.textContent('.verdict');
      const [, label, share] = /^(\S+) (\d+)%/.exec(said!)!;

      const folder = await mkdtemp(join(tmpdir(), 'taken-'));
      try {
        await unzipped(await downloaded(page, '#download-model'), folder);
        const model = await BertResNetModel.fromPretrained(join(folder, 'model'));
        // The sample's picture, as the page has it.
        const shown = await page.evaluate(async () => {
          const bitmap = document.querySelector<HTMLImageElement>('#try-picture img')!;
          const canvas = new OffscreenCanvas(bitmap.naturalWidth, bitmap.naturalHeight);
          const context = canvas.getContext('2d')!;
          context.drawImage(bitmap, 0, 0);
          const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
          return { data: Array.from(data), width, height };
        });
        const image = { ...shown, data: Uint8ClampedArray.from(shown.data) };
        const [answer] = await model.predict([{ text, image }]);
        expect(answer!.label).toBe(label);
        expect(Math.abs(100 * answer!.probability - Number(share))).toBeLessThan(0.6);
        const state = await readSafetensors(join(folder, 'model', 'model.safetensors'));
        expect(Object.keys(state)).toContain(
          'text_encoder.encoder.layer.0.attention.self.query.weight',
        );
        expect(Object.keys(state)).toContain('visual_encoder.layer1.0.conv1.weight');

        const made = await downloaded(page, '#download-report');
        expect(made.suggestedFilename()).toBe('report.html');
        await showsReport(page, await readFile((await made.path())!, 'utf8'));

        const metrics = await downloaded(page, '#download-metrics');
        const report = JSON.parse(await readFile((await metrics.path())!, 'utf8')) as Record<
          string,
          Record<string, unknown>
        >;
        expect(Object.keys(report['modes']!)).toEqual(['text', 'image', 'both']);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    patience * 2,
  );

  it(
    'pauses, and goes on exactly, also after a reload',
    async () => {
      const page = await demo.open();
      const passes = 2;
      const start = async (): Promise<void> => {
        await useEmoji(page);
        await setPasses(page, passes);
        await page.click('#train-main');
      };
      await start();
      const whole = await trainToEnd(page);

      await page.click('#train-main'); // again, from the beginning
      await page.waitForSelector('#train-main:has-text("Pause")');
      await page.click('#train-main');
      await page.waitForSelector('#train-main:has-text("Resume")');
      await page.waitForTimeout(300);
      const where = await page.textContent('.where');
      await page.fill('#try-text', 'a red apple');
      await page.waitForSelector('.verdict'); // the model answers while the run is held
      expect(await page.textContent('.where')).toBe(where);
      await page.click('#train-main');
      expect(await trainToEnd(page)).toBe(whole);

      await page.click('#train-main');
      await page.waitForFunction(() => document.querySelectorAll('details tbody tr').length >= 1);
      await page.reload();
      await ready(page);
      expect(await page.textContent('#saved')).toContain('was left after');
      await page.click('#go-on');
      expect(await trainToEnd(page)).toBe(whole);
    },
    patience * 3,
  );

  it(
    'trains in one tab at a time, and the second one says so',
    async () => {
      const page = await demo.open();
      await useEmoji(page);
      await setPasses(page, 1);
      await page.click('#train-main');
      await page.waitForSelector('#train-main:has-text("Pause")');
      await page.click('#train-main');
      await page.waitForSelector('#train-main:has-text("Resume")');

      const other = await page.context().newPage();
      await other.goto(page.url());
      await ready(other);
      expect(await other.isVisible('#go-on')).toBe(false); // it is no earlier visit's
      await useEmoji(other);
      await setPasses(other, 1);
      await other.click('#train-main');
      await other.waitForSelector('.train .problem');
      expect(await other.textContent('.train .problem')).toMatch(
        /^Another tab of this browser is training.*then start again here\.$/,
      );
      expect(await violations(other)).toEqual([]);

      await page.click('#train-main');
      expect((await trainToEnd(page)).split('\n')).toHaveLength(1);
      await other.click('#train-main');
      expect((await trainToEnd(other)).split('\n')).toHaveLength(1);
    },
    patience * 3,
  );

  it(
    'trains on a CSV and pictures of your own',
    async () => {
      const page = await demo.open();
      const files = [
        csv(shopRows(';')),
        await png('red.png', '#d22'),
        await png('blue.png', '#22d'),
      ];
      await page.setInputFiles('#files', files);
      await page.waitForSelector('#column-label');
      expect(await page.textContent('#data-problem')).toContain('looks like a label');
      await page.selectOption('#column-label', 'kind');
      await page.waitForSelector('.rows table');
      await page.selectOption('#column-text', ''); // and back, before it is done
      await page.selectOption('#column-text', 'caption');
      await page.waitForSelector('.rows img');
      expect(await page.textContent('.labels')).toContain('furniture');
      await setPasses(page, 1);
      await page.click('#train-main');
      await trainToEnd(page);
      expect(await page.locator('.confusion tbody tr').count()).toBe(2);
    },
    patience * 2,
  );

  it('opens a zip, and a folder that is dropped', async () => {
    const page = await demo.open();
    const files = new Map<string, Buffer>([
      ['shop/rows.csv', Buffer.from(shopRows())],
      ['shop/img/red.png', await picture('#d22')],
      ['shop/img/blue.png', await picture('#22d')],
    ]);
    const seesRows = async (): Promise<void> => {
      await page.waitForSelector('#column-label');
      await page.selectOption('#column-label', 'kind');
      await page.waitForSelector('.rows img');
      expect(await page.textContent('.data-head')).toContain('24');
      expect(await page.textContent('.labels')).toContain('furniture');
      await page.evaluate(() => document.getElementById('data-problem')!.replaceChildren());
    };
    const zip = await zipped(files);
    await page.setInputFiles('#files', [
      { name: 'shop.zip', mimeType: 'application/zip', buffer: zip },
    ]);
    await seesRows();

    await page.reload();
    await ready(page);
    const folder = await mkdtemp(join(tmpdir(), 'dropped-'));
    try {
      for (const [name, content] of files) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), content);
      }
      await dropped(page, join(folder, 'shop'));
      await seesRows();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says what is wrong with a CSV', async () => {
    const page = await demo.open();
    const say = async (...files: Parameters<Page['setInputFiles']>[1][]): Promise<string> => {
      await page.evaluate(() => document.getElementById('data-problem')!.replaceChildren());
      await page.setInputFiles('#files', files as never);
      await page.waitForSelector('#data-problem .problem');
      return (await page.textContent('#data-problem'))!;
    };
    expect(await say(await png('a.png', '#000'))).toContain('“a.png” is not a CSV.');
    expect(await say(csv(''))).toContain('rows.csv is empty.');
    expect(await say(csv('text,label\na,b\n'), csv('text,label\n', 'two.csv'))).toContain(
      'There are 2 CSV files, and one is needed.',
    );
    expect(await say(csv('a,b,label\n1,2,3\n'))).toContain('looks like a text or a picture');
    expect(await say(csv(`text,label\n${'x,same\n'.repeat(20)}`))).toContain('same label, “same”');
    expect(await say(csv('text,label\na,b\nc,d\n'))).toContain('has 2 rows to learn from');
    expect(await say(csv(`image,label\n${'x.png,a\ny.png,b\n'.repeat(20)}`))).toContain(
      '40 rows name a picture that is not among the files.',
    );
    const ids = Array.from({ length: 30 }, (_, i) => `text ${i},id ${i}`).join('\n');
    expect(await say(csv(`text,label\n${ids}\n`))).toContain('30 different values in 30 rows');
    expect(await say(csv('text,label\n"never closed,b\nc,d\n'))).toMatch(/quote/i);
    const split = `text,label,split\n${'a,b,train\nc,d,later\n'.repeat(9)}`;
    expect(await say(csv(split))).toContain('“split” holds “later”');
  });

  it(
    'is usable with the keyboard alone',
    async () => {
      const page = await demo.open();
      const reach = async (selector: string): Promise<void> => {
        for (let presses = 0; presses < 60; presses++) {
          await page.keyboard.press('Tab');
          if (await page.evaluate((wanted) => document.activeElement!.matches(wanted), selector))
            return;
        }
        expect.fail(`Tab did not reach ${selector}`);
      };
      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement!.className)).toBe('skip');
      await page.keyboard.press('Enter');
      await reach('#use-emoji');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.rows table');
      await reach('[aria-label="Later rows"]');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.pager:has-text("Rows 7 to 12")');
      expect(await page.evaluate(() => document.activeElement!.getAttribute('aria-label'))).toBe(
        'Later rows',
      );
      await reach('input[name="fusion"]');
      await page.keyboard.press('ArrowRight');
      expect(await page.isChecked('input[name="fusion"][value="mlp"]')).toBe(true);
      await setPasses(page, 1);
      await reach('#train-main');
      await page.keyboard.press('Enter');
      await trainToEnd(page);
      await reach('.sample');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.waterfall');
      expect(await page.textContent('#live')).toMatch(/%/);
      await reach('#download-model');
    },
    patience * 2,
  );

  it('works without a network once it is loaded', async () => {
    const page = await demo.open();
    await page.waitForSelector('#offline:has-text("Ready to work offline")');
    await page.context().setOffline(true);
    await page.reload();
    await ready(page);
    await useEmoji(page);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  it('has threads on a host that sends no headers', async () => {
    const page = await demo.open({ baseURL: demo.plainOrigin });
    await page.waitForFunction(() => crossOriginIsolated);
    await ready(page);
    expect(await page.textContent('#device-name')).toContain('WebAssembly');
  });

  it(
    'is accessible in light and dark, wide and narrow, empty, wrong and trained',
    async () => {
      const page = await demo.open();
      const looks = async (): Promise<void> => {
        for (const colorScheme of ['light', 'dark'] as const) {
          for (const width of [1280, 390]) {
            await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
            await page.setViewportSize({ width, height: 800 });
            expect(await violations(page), `${colorScheme}, ${width} pixels`).toEqual([]);
            const overflow = await page.evaluate(
              () => document.documentElement.scrollWidth - innerWidth,
            );
            expect(overflow, `${colorScheme}, ${width} pixels`).toBeLessThanOrEqual(0);
          }
        }
      };
      await looks();
      await page.setInputFiles('#files', [csv('a,b,label\n1,2,3\n')]);
      await page.waitForSelector('#data-problem .problem');
      await looks();
      await useEmoji(page);
      await setPasses(page, 1);
      await page.click('#train-main');
      await trainToEnd(page);
      await page.click('.sample >> nth=0');
      await page.waitForSelector('.waterfall');
      expect(await curves(page)).not.toBe('');
      await looks();
    },
    patience * 2,
  );
});
