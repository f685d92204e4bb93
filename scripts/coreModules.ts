import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as core from '@tensorflow/tfjs-core';
import type { OnResolveArgs, OnResolveResult, Plugin } from 'esbuild';

const CORE = '@tensorflow/tfjs-core';
const inside = /[\\/]@tensorflow[\\/]tfjs-core[\\/]dist[\\/]/;

/**
 * TensorFlow.js's gradient modules are bundled, as its package does not export them (src/backends/gradients.ts). Of
 * what they import this bundles only what the package does not export either: a second engine, and all that comes with
 * it, would lie about unused.
 */
export const coreModules: Plugin = {
  name: 'core-modules',
  setup: (build) => {
    build.onResolve({ filter: /^@tensorflow\/tfjs-core$/ }, ({ path }) => ({
      path,
      external: true,
    }));
    build.onResolve({ filter: /^\.{1,2}\// }, resolveCore);
    build.onLoad({ filter: /.*/, namespace: 'core-engine' }, () => ({
      contents: `import { engine } from '${CORE}'; export const ENGINE = engine();`,
      resolveDir: '.',
    }));
  },
};

async function resolveCore({
  path,
  importer,
  resolveDir,
}: OnResolveArgs): Promise<OnResolveResult | undefined> {
  if (!inside.test(importer)) return undefined;
  if (path.endsWith('/engine')) return { path, namespace: 'core-engine' };
  const isWhole = /\/(base|ops)$/.test(path);
  const names = exportsOf(await readFile(join(resolveDir, `${path}.js`), 'utf8'));
  const isExported = isWhole || (names.length > 0 && names.every((name) => name in core));
  return isExported ? { path: CORE, external: true } : undefined;
}

/** The names that a module of TensorFlow.js exports itself; none where it passes others on. */
function exportsOf(code: string): string[] {
  if (/^export (\*|\{.*\} from)/m.test(code)) return [];
  const declared = code.matchAll(/^export (?:async )?(?:const|let|var|function|class) (\w+)/gm);
  const listed = code.matchAll(/^export \{([^}]*)\}/gm);
  return [
    ...[...declared].map((match) => match[1]!),
    ...[...listed].flatMap((match) =>
      match[1]!.split(',').map((name) => name.trim().split(' as ').at(-1)!),
    ),
  ].filter((name) => name !== '');
}
