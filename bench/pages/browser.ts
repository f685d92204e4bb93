import { useBackend } from '../../src/backends/select.js';
import type { BackendName, BackendOptions } from '../../src/backends/select.js';
import type { StepSizes } from '../../src/cli/stepTime.js';
import { TrainingStep } from './trainingStep.js';

/** Milliseconds of a step, and the loss before it. */
export interface Step {
  readonly ms: number;
  readonly loss: number;
}

let model: TrainingStep;

/** Makes a model on a backend. */
export async function prepare(
  backend: BackendName,
  options: BackendOptions,
  sizes: StepSizes,
): Promise<void> {
  await useBackend(backend, options);
  model = new TrainingStep(sizes);
}

/** One training step, its update included. */
export async function step(): Promise<Step> {
  const began = performance.now();
  const loss = await model.train();
  await model.settle();
  return { ms: performance.now() - began, loss };
}
