// Runs a bench on the sources: node bench/run.js <name> [arguments]. TensorFlow.js's gradient modules, which Node
// cannot resolve, are bundled as tsup does it; everything else is imported from node_modules.
import { build } from 'esbuild';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [name] = process.argv.splice(2, 1);
const outfile = join(here, '..', 'node_modules', '.cache', 'bertresnet', `bench-${name}.mjs`);
await mkdir(dirname(outfile), { recursive: true });
await build({
  entryPoints: [join(here, `${name}.ts`)],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
  keepNames: true,
  define: { 'import.meta.dirname': JSON.stringify(here) },
  plugins: [
    {
      name: 'packages-stay-outside',
      setup: (bundle) =>
        bundle.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
          kind === 'entry-point' || path.startsWith('@tensorflow/tfjs-core/dist/')
            ? undefined
            : { path, external: true },
        ),
    },
  ],
});
await import(pathToFileURL(outfile).href);
