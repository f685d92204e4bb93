import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

/** Where distributions put Chromium and its kin. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The browser that CHROME_PATH names, or one in a usual place; undefined where there is none. */
export function findChromium(): string | undefined {
  const named = process.env['CHROME_PATH'];
  if (named === undefined || named === '') return PLACES.find((path) => existsSync(path));
  if (existsSync(named)) return named;
  throw new Error(`chromium: CHROME_PATH must be a file, got ${named}`);
}

/** What Chromium needs beside the flags that Playwright gives it, which keep it from the network. */
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-sync',
  // WebGPU and WebGL in software, for machines without a GPU.
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-unsafe-swiftshader',
];

/** Starts Chromium without a window, on a profile of its own that goes with it. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    throw new Error('chromium: not found; install it, or name it in CHROME_PATH');
  }
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}
