import { test } from 'vitest';
import { describeBackends } from '../backends.js';
import type { TestedBackend } from '../backends.js';
import { Oracle } from '../oracle.js';
import { expectInTable } from '../whatRan.js';
import { fiveSteps } from './fiveSteps.js';
import { expectPyTorchs } from './parity.js';

const computedBy: Readonly<Record<TestedBackend, string>> = {
  cpu: 'JavaScript',
  onnxruntime: 'onnxruntime-node',
  wasm: "TensorFlow.js's WebAssembly and this library's kernels",
  tensorflow: "TensorFlow's library (tfjs-node) and this library's padding",
};

describeBackends('five AdamW steps of a whole model equal PyTorch’s', (backend) => {
  test('losses, logits, the first gradients, and all weights and statistics at the end', async () => {
    expectPyTorchs(await fiveSteps(new Oracle('training')));
    expectInTable({ where: 'Node', backend, computedBy: computedBy[backend] });
  });
});
