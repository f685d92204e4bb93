import base from './vitest.config.js';

/** What a graphics card in software takes too long for in `npm test`: `npm run test:browser:long`. */
export default {
  ...base,
  test: {
    ...base.test,
    include: ['test/browser/{lost,memory,moved}.test.ts'],
    env: { BERTRESNET_LONG: '1' },
    fileParallelism: false,
  },
};
