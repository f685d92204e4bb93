import { build } from 'esbuild';
import { browserTwins } from '../browserTwins.js';

/**
 * Bundles a module for a page, with `index.html`, by the path under which each file is to be served; what the module
 * exports stands in the page as `globalThis.exported`.
 *
 * @param workers modules of workers, by the names of the files that they become beside the page's: `trainer.js` is
 *   `{ trainer: 'test/browser/pages/trainer.ts' }`
 */
export async function bundlePage(
  module: string,
  workers: Readonly<Record<string, string>> = {},
): Promise<Map<string, Uint8Array>> {
  const entries = { imageWorker: 'src/datasets/imageWorker.browser.ts', ...workers };
  const { outputFiles } = await build({
    entryPoints: Object.entries(entries).map(([out, path]) => ({ in: path, out })),
    stdin: {
      contents: `import * as exported from ${JSON.stringify(module)}; globalThis.exported = exported;`,
      resolveDir: '.',
      sourcefile: 'page.ts',
    },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    splitting: true,
    outdir: '/',
    // Names of functions are not kept: TensorFlow.js hands the text of some to its threads, where esbuild's helper is not.
    keepNames: false,
    plugins: [browserTwins],
    write: false,
    logLevel: 'error',
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  const html =
    '<!doctype html><title>page</title><link rel="icon" href="data:,"><script type="module" src="/stdin.js"></script>';
  return files.set('/index.html', new TextEncoder().encode(html));
}
