import { build } from 'esbuild';
import { configDefaults, defineConfig } from 'vitest/config';
import type { Plugin } from 'vitest/config';
import { coreModules } from './scripts/coreModules.js';
import { LongFirst } from './test/sequencer.js';

/** Bundles TensorFlow.js's gradient modules, as tsup does: Node cannot resolve their imports. */
function bundledGradients(): Plugin {
  return {
    name: 'bundled-gradients',
    enforce: 'pre',
    async load(id) {
      if (!id.endsWith('/src/backends/gradients.ts')) return null;
      const { outputFiles } = await build({
        entryPoints: [id],
        bundle: true,
        format: 'esm',
        platform: 'node',
        write: false,
        plugins: [coreModules],
      });
      return { code: outputFiles[0]!.text, map: null };
    },
  };
}

export default defineConfig({
  plugins: [bundledGradients()],
  resolve: {
    alias: {
      'bertresnet/onnxruntime': new URL('./src/onnxruntime.ts', import.meta.url).pathname,
      bertresnet: new URL('./src/index.ts', import.meta.url).pathname,
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // These test what is built and packed: npm run test:package.
    exclude: [...configDefaults.exclude, 'test/package/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
  },
});
