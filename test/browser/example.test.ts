import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, launchChromium } from '../../scripts/browser/chromium.js';
import { serve } from '../../scripts/browser/serve.js';
import type { StaticServer } from '../../scripts/browser/serve.js';
import { browserTwins } from '../../scripts/browserTwins.js';

const folder = fileURLToPath(new URL('../../examples/browser', import.meta.url));
/** Milliseconds. */
const patience = 600_000;

/** The example's page as 09-train-in-a-page.ts serves it, of the sources. */
async function bundle(): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: [`${folder}/page.ts`, `${folder}/trainer.ts`],
    outdir: '/',
    bundle: true,
    splitting: true,
    format: 'esm',
    write: false,
    alias: { bertresnet: fileURLToPath(new URL('../../src/index.ts', import.meta.url)) },
    plugins: [browserTwins],
    logLevel: 'error',
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  return files.set('/index.html', await readFile(`${folder}/index.html`));
}

describe.runIf(findChromium() !== undefined || process.env['CI'])(
  'the example that trains in a page',
  { timeout: patience },
  () => {
    let server: StaticServer;
    let browser: Browser;
    let page: Page;
    let whole: { steps: string[]; epochs: string[] };

    beforeAll(async () => {
      server = await serve(await bundle(), {}, { isolated: false });
      browser = await launchChromium();
      page = await browser.newPage();
      // All that the status says, one after the other.
      await page.addInitScript(() => {
        const told: string[] = [];
        Object.assign(globalThis, { told });
        document.addEventListener('DOMContentLoaded', () => {
          const status = document.querySelector('#status')!;
          const note = (): unknown => told.push(status.textContent!);
          new MutationObserver(note).observe(status, { childList: true });
        });
      });
      await page.goto(`${server.origin}/index.html`);
    }, patience);
    afterAll(async () => {
      await browser?.close();
      await server?.close();
    });

    const told = (): Promise<string[]> =>
      page.evaluate(() => (globalThis as unknown as { told: string[] }).told.splice(0));
    const steps = (said: readonly string[]): string[] =>
      said.filter((line) => line.startsWith('step '));
    const saying = (what: RegExp): Promise<void> =>
      page.getByRole('status').filter({ hasText: what }).waitFor({ timeout: patience });
    const press = (name: string): Promise<void> =>
      page.getByRole('button', { name, exact: true }).click();
    const finish = async (): Promise<{ steps: string[]; epochs: string[] }> => {
      await saying(/^Done: accuracy 1\.00 /);
      return {
        steps: steps(await told()),
        epochs: await page.locator('#epochs li').allInnerTexts(),
      };
    };

    test('trains to its end, and offers the model', async () => {
      await press('Train');
      whole = await finish();
      expect(whole.steps).toHaveLength(72);
      expect(whole.epochs).toHaveLength(6);
      const start = await page.evaluate(async () => {
        const { href } = document.querySelector<HTMLAnchorElement>('#model')!;
        return (await (await fetch(href)).text()).slice(0, 2);
      });
      expect(start).toBe('PK'); // a zip
    });

    test('goes on behind a pause, and after the page was closed in the middle', async () => {
      await press('Start over');
      await saying(/^step [5-9]:/);
      await press('Pause');
      await saying(/^Paused/);
      const before = steps(await told());
      await page.reload();
      await press('Train');
      await saying(/^step (3\d):/);
      const between = steps(await told());
      await page.reload(); // what came behind the last checkpoint is trained once more
      await press('Train');
      const after = await finish();
      expect([...before, ...between]).toEqual(whole.steps.slice(0, before.length + between.length));
      expect(after.steps.length).toBeLessThan(whole.steps.length - 24);
      expect(after.steps).toEqual(whole.steps.slice(-after.steps.length));
      expect(after.epochs).toEqual(whole.epochs);
    });
  },
);
