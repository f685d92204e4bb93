import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
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

/** Builds for browsers: every `x.node.ts` is replaced by its twin `x.browser.ts`. */
export const browserTwins: Plugin = {
  name: 'browser-twins',
  setup: (build) =>
    build.onResolve({ filter: platformImport }, ({ path, importer }) => {
      try {
        return { path: browserTwin(path, importer) };
      } catch (error) {
        return { errors: [{ text: (error as Error).message }] };
      }
    }),
};
