import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findChromium } from '../../scripts/browser/chromium.js';
import { BrowserPage } from '../../scripts/browser/page.js';
import type { ServeOptions } from '../../scripts/browser/serve.js';

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What pages may fetch, by prefix. */
const folders = {
  '/fixtures/': pathOf('../fixtures'),
  '/tfjs-wasm/': pathOf('../../node_modules/@tensorflow/tfjs-backend-wasm/dist'),
  '/ort-wasm/': pathOf('../../node_modules/onnxruntime-web/dist'),
};

/** What a page is served beside its own. */
export interface PageFiles {
  /** Folders, by the prefix of their addresses. */
  readonly more?: Readonly<Record<string, string>>;
  /** Modules of workers: see `bundlePage`. */
  readonly workers?: Readonly<Record<string, string>>;
  /** What answers in the place of files: see `serve`. */
  readonly listeners?: ServeOptions['listeners'];
}

/** Milliseconds: a card in software compiles each shader for the processor. */
const PATIENCE = 240_000;

/**
 * Tests of a page (test/browser/pages/NAME.ts) in Chromium. Where that is missing they are skipped, by name; in
 * continuous integration that is a failure.
 */
export function describePage(
  name: string,
  title: string,
  body: (page: () => BrowserPage) => void,
  { more = {}, workers = {}, listeners = {} }: PageFiles = {},
): void {
  if (findChromium() !== undefined) {
    describe(`${title} in Chromium`, { timeout: PATIENCE }, () => {
      let page: BrowserPage;
      beforeAll(async () => {
        const served = { ...folders, ...more };
        page = await BrowserPage.open(pathOf(`pages/${name}.ts`), served, workers, listeners);
      }, PATIENCE);
      afterAll(async () => {
        await page?.close();
      });
      body(() => page);
    });
    return;
  }
  const missing = 'Chromium was not found: install it, or name it in CHROME_PATH';
  if (process.env['CI']) test(title, () => expect.fail(missing));
  else test.skip(`${title} (${missing})`, () => {});
}
