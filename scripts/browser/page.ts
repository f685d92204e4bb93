import type { Browser, CDPSession, Page } from 'playwright-core';
import { bundlePage } from './bundle.js';
import { launchChromium } from './chromium.js';
import { serve } from './serve.js';
import type { ServeOptions, StaticServer } from './serve.js';

/** A module of ours that runs in Chromium: its exported functions are called from here. */
export class BrowserPage {
  private constructor(
    private readonly server: StaticServer,
    private readonly browser: Browser,
    private readonly page: Page,
    private readonly devtools: CDPSession,
    private readonly messages: string[],
  ) {}

  /**
   * Bundles a module, serves it with folders under prefixes (`/fixtures/`), and opens it in a fresh Chromium.
   *
   * @param module its path
   * @param workers see `bundlePage`
   * @param listeners see `serve`
   */
  static async open(
    module: string,
    folders: Readonly<Record<string, string>> = {},
    workers: Readonly<Record<string, string>> = {},
    listeners: ServeOptions['listeners'] = {},
  ): Promise<BrowserPage> {
    const server = await serve(await bundlePage(module, workers), folders, { listeners });
    const opened = await BrowserPage.tab(server, await launchChromium());
    await opened.load().catch(async (cause: unknown) => {
      await opened.close();
      throw new Error(`page: ${module} did not load: ${opened.console.join('; ')}`, { cause });
    });
    return opened;
  }

  private static async tab(server: StaticServer, browser: Browser): Promise<BrowserPage> {
    const page = await browser.newPage();
    const messages: string[] = [];
    page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`));
    const devtools = await page.context().newCDPSession(page);
    return new BrowserPage(server, browser, page, devtools, messages);
  }

  /** The same module once more, in a tab of its own of the same browser; any of them closes all. */
  async another(): Promise<BrowserPage> {
    const opened = await BrowserPage.tab(this.server, this.browser);
    await opened.load();
    return opened;
  }

  /** Loads the page, or loads it again: nothing of what ran in it is left. */
  async load(): Promise<void> {
    await this.page.goto(`${this.server.origin}/index.html`);
    await this.page.waitForFunction(() => 'exported' in globalThis);
  }

  /** Calls an exported function with plain data, typed arrays among it, and gives what it resolves to. */
  call<T>(name: string, ...given: readonly unknown[]): Promise<T> {
    const run = ([name, given]: readonly [string, readonly unknown[]]): unknown => {
      const { exported } = globalThis as unknown as { exported: Record<string, Function> };
      return exported[name]!(...given);
    };
    return this.page.evaluate(run, [name, given] as const) as Promise<T>;
  }

  /** What the page wrote to its console, as `warning: text`. */
  get console(): readonly string[] {
    return this.messages;
  }

  /** Bytes of JavaScript's heap in use, after its garbage was collected. */
  async heapBytes(): Promise<number> {
    await this.devtools.send('HeapProfiler.collectGarbage');
    const { usedSize } = await this.devtools.send('Runtime.getHeapUsage');
    return usedSize;
  }

  /** Lets the page store so many bytes at most, or as many as it otherwise may. */
  async limitStorage(quotaSize?: number): Promise<void> {
    const { origin } = this.server;
    await this.devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.close();
  }
}
