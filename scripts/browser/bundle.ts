import { build } from 'esbuild';

/**
 * Bundles a module for a page, with `index.html`, by the path under which each file is to be served; what the module
 * exports stands in the page as `globalThis.exported`.
 */
export async function bundlePage(module: string): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
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
    entryNames: 'page',
    write: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"test"' },
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  const html = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>';
  return files.set('/index.html', new TextEncoder().encode(html));
}
