import { expect, test } from 'vitest';
import { expectPyTorchs } from '../training/parity.js';
import { expectInTable } from '../whatRan.js';
import { describePage } from './chromium.js';
import type { Trained } from './pages/training.js';
import { ways } from './ways.js';

describePage('training', 'five AdamW steps of a whole model equal PyTorch’s', (page) => {
  test.each(ways)('on %s %o', async (backend, options, computedBy) => {
    await page().load();
    const trained = await page().call<Trained>('train', backend, options);
    expect(trained.left, 'tensors left behind').toBe(0);
    expectPyTorchs(trained);
    expectInTable({ where: 'Chromium', backend, computedBy });
  });
});
