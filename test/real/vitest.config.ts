// What needs real weights or Python, and so is run by hand: see the head of each file beside this one.
import base from '../../vitest.config.js';

export default {
  ...base,
  test: { ...base.test, include: ['test/real/*.real.ts'], testTimeout: 600_000 },
};
