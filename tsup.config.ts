import { writeFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';
import { defineConfig } from 'tsup';
import { browserTwins } from './scripts/browserTwins.js';
import { coreModules } from './scripts/coreModules.js';
import { licencesOf } from './scripts/licences.js';

const shared = {
  target: 'node20',
  platform: 'node' as 'node' | 'browser',
  sourcemap: true,
  // Error messages name classes.
  keepNames: true,
  // TensorFlow.js's gradient modules cannot be resolved by Node: they are bundled (src/backends/gradients.ts).
  noExternal: [/^@tensorflow\/tfjs-core\/dist\//],
  // tsup keeps dependencies out of the bundle, but not optional ones.
  external: [/^onnxruntime-node/],
};

/** The command line imports the library that lies beside it, rather than holding a second copy. */
const libraryBeside: Plugin = {
  name: 'library-beside',
  setup: (build) =>
    build.onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({
      path: './index.js',
      external: true,
    })),
};

/** Packages that stand in our files: what the worker is made of, and TensorFlow.js's gradients. */
const bundled = [
  '@tensorflow/tfjs-core',
  'fast-png',
  'fflate',
  'image-size',
  'iobuffer',
  'pure-rand',
];

async function writeLicences(): Promise<void> {
  await writeFile('dist/licences.txt', await licencesOf(bundled));
}

export default defineConfig([
  {
    ...shared,
    entry: { index: 'src/index.ts', onnxruntime: 'src/onnxruntime.ts' },
    format: ['esm', 'cjs'],
    dts: true,
    shims: true,
    esbuildPlugins: [coreModules],
  },
  {
    ...shared,
    entry: { cli: 'src/cli/main.ts' },
    format: ['esm'],
    dts: false,
    esbuildPlugins: [libraryBeside],
  },
  {
    ...shared,
    // What imageThread.node.ts starts as a thread.
    entry: { imageWorker: 'src/datasets/imageWorker.node.ts' },
    format: ['esm'],
    dts: false,
  },
  {
    ...shared,
    // For browsers, to be bundled or served as it is: its types are those of the build for Node.
    // The worker is what imagePort.browser.ts starts.
    entry: {
      index: 'src/index.ts',
      onnxruntime: 'src/onnxruntime.ts',
      imageWorker: 'src/datasets/imageWorker.browser.ts',
      // For no one to import: each keeps what it needs in chunks of its own, which bundlers load or leave whole.
      'parts/training': 'src/parts/training.ts',
      'parts/rows': 'src/parts/rows.ts',
      'parts/engine': 'src/backends/onnxruntime/index.ts',
      'parts/gradients': 'src/backends/gradients.ts',
    },
    outDir: 'dist/browser',
    format: ['esm'],
    platform: 'browser',
    target: 'es2022',
    // What keeps a name is a call, and no bundler leaves out what is called: each application would have all of this.
    keepNames: false,
    splitting: true,
    dts: false,
    esbuildPlugins: [browserTwins, coreModules],
    onSuccess: writeLicences,
  },
]);
