import { cp, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, launchChromium } from '../../scripts/browser/chromium.js';
import {
  byVite,
  filesIn,
  packageImports,
  served,
  withEsbuild,
  withImportMap,
  withVite,
  withWebpack,
} from './bundlers.js';
import type { Server } from './bundlers.js';
import { install, manifest, root } from './packed.js';
import type { Application } from './packed.js';

/** What `learn` of application/learn.js gives. */
interface Learned {
  readonly backend: string;
  readonly losses: number[];
  readonly accuracy: number;
  readonly answers: string[];
  /** What an error says, which names a class. */
  readonly refused: string;
}

type Learn = (backend: string, options: { threads: number }) => Promise<Learned>;

const application = fileURLToPath(new URL('./application', import.meta.url));
let app: Application;

beforeAll(async () => {
  // What `npm install bertresnet @tensorflow/tfjs-core` gives: no optional peer is there.
  app = await install([...Object.keys(manifest.dependencies), '@tensorflow/tfjs-core']);
  await cp(application, app.folder, { recursive: true });
  await app.write('package.json', JSON.stringify({ type: 'module', private: true }));
});
afterAll(() => app.remove());

it('imports nothing of Node in its build for browsers', async () => {
  const imports = await packageImports(app);
  expect(imports).toContain('@tensorflow/tfjs-core');
  const isNodes = (name: string): boolean =>
    name.startsWith('node:') || builtinModules.includes(name);
  expect(imports.filter(isNodes)).toEqual([]);
});

it('is documented with an import map of the versions that are installed', async () => {
  const documented = await readFile(join(root, 'docs/browser.md'), 'utf8');
  const addresses = documented.matchAll(/https:\/\/esm\.sh\/((?:@[\w-]+\/)?[\w.-]+)@([\d.]+)/g);
  for (const [, name, version] of addresses) {
    const path = join(root, 'node_modules', name!, 'package.json');
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ name, version });
  }
});

describe.skipIf(findChromium() === undefined && !process.env['CI'])('in Chromium', () => {
  let inNode: Learned;
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
    const { stdout, stderr } = await app.node('node.js');
    expect(stderr).toBe('');
    inNode = JSON.parse(stdout) as Learned;
    expect(inNode.losses.at(-1)).toBeLessThan(inNode.losses[0]! / 2);
    expect(inNode).toMatchObject({ accuracy: 1, answers: ['fire', 'water'] });
    expect(inNode.refused).toMatch(/^BertResNetModel\.loadStateDict: /);
  });
  afterAll(async () => {
    await browser?.close();
  });

  const servers: readonly [string, Server][] = [
    ['Vite', served(withVite)],
    ["Vite's development server", byVite],
    ['webpack', served(withWebpack)],
    ['esbuild', served(withEsbuild)],
    ['an import map', served(withImportMap)],
  ];
  describe.each(servers)('an application by %s', (_, start) => {
    let server: Awaited<ReturnType<Server>>;

    beforeAll(async () => {
      server = await start(app);
    }, 600_000);
    afterAll(() => server?.close());

    it.each(['cpu', 'onnxruntime'])('trains on %s as it does in Node', async (backend) => {
      const { learned, said } = await learnAt(browser, server.origin, backend);
      expect(said).toEqual([]);
      expect({ ...learned, losses: [] }).toEqual({ ...inNode, backend, losses: [] });
      learned.losses.forEach((loss, i) => expect(loss).toBeCloseTo(inNode.losses[i]!, 3));
    });
  });

  it("reads pictures in its Worker's own file where a policy allows no other", async () => {
    const files = new Map(await filesIn(join(app.folder, 'vite')));
    const page = new TextDecoder().decode(files.get('/index.html'));
    const policy = `<meta http-equiv="Content-Security-Policy" content="worker-src 'self'">`;
    files.set('/index.html', new TextEncoder().encode(page.replace('<title>', `${policy}<title>`)));
    const server = await served(async () => files)(app);
    const { learned, said } = await learnAt(browser, server.origin, 'cpu').finally(server.close);
    expect(learned.accuracy).toBe(1);
    expect(said.length).toBeGreaterThan(0);
    said.forEach((line) => expect(line).toMatch(/^error: .*Content Security Policy/));
  });
});

/** Lets an application learn in Chromium, and gives all that its console was told. */
async function learnAt(browser: Browser, origin: string, backend: string) {
  const page = await browser.newPage();
  try {
    const said: string[] = [];
    page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', ({ message }) => said.push(`uncaught: ${message}`));
    await page.goto(origin);
    await page.waitForFunction(() => 'learn' in globalThis).catch(() => expect(said).toEqual([]));
    const learned = await page.evaluate(async (name) => {
      const { learn } = globalThis as unknown as { learn: Learn };
      return learn(name, { threads: 1 });
    }, backend);
    const vites = /^debug: \[vite\] connect/; // to its development server
    return { learned, said: said.filter((line) => !vites.test(line)) };
  } finally {
    await page.close();
  }
}
