import { defineConfig } from 'vitest/config';

/** The tests of what `npm pack` makes: `npm run test:package` builds first. */
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    fileParallelism: false,
  },
});
