// The demo in Chromium: built once with few emoji, served, and opened in a fresh context for each test.
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildDemo } from '../../demo/build/build.js';
import { findChromium, launchChromium } from '../../scripts/browser/chromium.js';
import { serve } from '../../scripts/browser/serve.js';
import type { StaticServer } from '../../scripts/browser/serve.js';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const fewEmoji = 120;
/** A training step that has to be compiled takes its time on a busy machine. */
export const patience = 90_000;

/** What a test has of the demo. */
export interface Demo {
  /** Opens the page, and waits for its engine. Whatever it writes to its console as an error fails the test. */
  open(options?: BrowserContextOptions): Promise<Page>;
  /** Where it is served without the headers that isolate a page. */
  readonly plainOrigin: string;
}

/** Tests of the demo in Chromium. Without one they are skipped, by name; in continuous integration that is a failure. */
export function describeDemo(title: string, body: (demo: Demo) => void): void {
  if (findChromium() === undefined) {
    const missing = 'Chromium was not found: install it, or name it in CHROME_PATH';
    if (process.env['CI']) test(title, () => expect.fail(missing));
    else test.skip(`${title} (${missing})`, () => {});
    return;
  }
  describe(`${title} in Chromium`, () => {
    let folder = '';
    let [server, plain]: StaticServer[] = [];
    let browser: Browser | undefined;
    const errors: string[] = [];
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'demo-'));
      await buildDemo(folder, { emoji: fewEmoji });
      server = await serve(new Map(), { '/': folder });
      plain = await serve(new Map(), { '/': folder }, { isolated: false });
      browser = await launchChromium();
    }, 2 * patience);
    afterEach(async () => {
      for (const context of browser?.contexts() ?? []) await context.close();
      expect(errors.splice(0)).toEqual([]);
    });
    afterAll(async () => {
      await browser?.close();
      await server?.close();
      await plain?.close();
      await rm(folder, { recursive: true });
    });
    body({
      async open(options = {}) {
        const context = await browser!.newContext({ reducedMotion: 'reduce', ...options });
        context.setDefaultTimeout(patience);
        const page = await context.newPage();
        page.on('pageerror', ({ message }) => errors.push(message));
        page.on('console', (said) => {
          if (said.type() === 'error') errors.push(said.text());
        });
        await page.goto(`${options.baseURL ?? server!.origin}/`);
        await ready(page);
        return page;
      },
      get plainOrigin() {
        return plain!.origin;
      },
    });
  });
}

/** Waits until the engine computes. */
export async function ready(page: Page): Promise<void> {
  await page.waitForSelector('#device[data-is="ready"]');
}

/** What axe finds wrong with the page as it is. */
export async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) {
    // Not as a script element: the page's policy allows none but its own.
    const client = await page.context().newCDPSession(page);
    const { readFile } = await import('node:fs/promises');
    await client.send('Runtime.evaluate', { expression: await readFile(axe, 'utf8') });
  }
  const { violations: found } = (await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<unknown> } }).axe.run(),
  )) as AxeResults;
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
}

/** Loads the emoji, and sees their rows. */
export async function useEmoji(page: Page): Promise<void> {
  await page.click('#use-emoji');
  await page.waitForSelector('.rows table');
}

/** Chooses how many passes are trained. */
export async function setPasses(page: Page, passes: number): Promise<void> {
  const field = page.locator('input[name="epochs"]');
  if (!(await field.isVisible())) await page.click('summary:has-text("More settings")');
  await field.fill(String(passes));
}

/** Trains to the end, and gives the table of the curves. */
export async function trainToEnd(page: Page): Promise<string> {
  await page.waitForSelector('#train-main:has-text("Train again"), .train .problem');
  expect(await page.locator('.train .problem').allTextContents()).toEqual([]);
  return curves(page);
}

/** The curves, as the page's table has them. */
export async function curves(page: Page): Promise<string> {
  const rows = page.locator('details:has-text("The curves as a table") tbody tr');
  return (await rows.allTextContents()).join('\n');
}

/** A PNG of one colour. */
export function picture(colour: string): Promise<Buffer> {
  return sharp({ create: { width: 40, height: 30, channels: 3, background: colour } })
    .png()
    .toBuffer();
}
