import { test } from 'vitest';
import { describeBackends } from '../backends.js';
import { Oracle } from '../oracle.js';
import { fiveSteps } from './fiveSteps.js';
import { expectPyTorchs } from './parity.js';

describeBackends('five AdamW steps of a whole model equal PyTorch’s', () => {
  test('losses, logits, the first gradients, and all weights and statistics at the end', async () => {
    expectPyTorchs(await fiveSteps(new Oracle('training')));
  });
});
