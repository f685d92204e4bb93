import { expect } from 'vitest';
import { normalizeNames } from '../../src/weights/names.js';
import { expectClose } from '../backends.js';
import type { Tolerance } from '../backends.js';
import { Oracle, forwardTolerance, gradientTolerance } from '../oracle.js';
import { ofStep } from './fiveSteps.js';
import type { FiveSteps } from './fiveSteps.js';

const oracle = new Oracle('training');

/** Five steps are PyTorch's: losses and logits to one tolerance, gradients and the weights at the end to another. */
export function expectPyTorchs(
  { losses, logits, gradients, end }: FiveSteps,
  { forward = forwardTolerance, backward = gradientTolerance }: Tolerances = {},
): void {
  expectClose(losses, oracle.host('losses').values, forward);
  logits.forEach((values, step) => {
    expectClose(values, ofStep<Float32Array>(oracle, 'logits', step), forward);
  });
  expectEach(gradients, 'gradient.', backward);
  expectEach(end, 'end.', backward);
}

interface Tolerances {
  readonly forward?: Tolerance;
  readonly backward?: Tolerance;
}

/** Every tensor that was recorded under a prefix, and no other. */
function expectEach(actual: FiveSteps['end'], prefix: string, tolerance: Tolerance): void {
  const expected = normalizeNames(oracle.under(prefix), 'model');
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, values] of Object.entries(actual)) {
    expectClose(values, expected[name]!.values, tolerance);
  }
}
