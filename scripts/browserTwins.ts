import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

const platformImport = /^\.{1,2}\/.*\.node\.[jt]s$/;

/**
 * The browser's twin of a file for Node, by the import that names it: `./files.node.js` -> `<folder>/files.browser.ts`.
 * Undefined for every other import.
 *
 * @throws Error where a file for Node has no twin.
 */
export function browserTwin(specifier: string, importer: string): string | undefined {
  if (!platformImport.test(specifier)) return undefined;
  const twin = specifier.replace(/\.node\.[jt]s$/, '.browser.ts');
  const path = resolve(dirname(importer), twin);
  if (existsSync(path)) return path;
  throw new Error(`${specifier} has no twin for browsers: write ${path}`);
}

/**
 * Builds for browsers: every `x.node.ts` is replaced by its twin `x.browser.ts`, and the code of the Worker that reads
 * pictures is put where it is looked for.
 */
export const browserTwins: Plugin = {
  name: 'browser-twins',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: platformImport }, ({ path, importer }) => {
      try {
        return { path: browserTwin(path, importer) };
      } catch (error) {
        return { errors: [{ text: (error as Error).message }] };
      }
    });
    onLoad({ filter: /[\\/]imageWorkerCode\.browser\.ts$/ }, async ({ path }) => {
      const code = await workerCode(path.replace('Code.browser.ts', '.browser.ts'));
      return { contents: `export const imageWorkerCode = ${JSON.stringify(code)};`, loader: 'js' };
    });
  },
};

/** A worker's module with all that it imports, its packages too, as one script: import maps do not reach into workers. */
async function workerCode(module: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [module],
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    plugins: [browserTwins],
    write: false,
  });
  return outputFiles[0]!.text;
}
