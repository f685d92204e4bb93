import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backends/select.js';
import { webGpuKernels } from '../../src/backends/webgpu/index.js';
import type { StepSizes } from '../../src/cli/stepTime.js';
import { takeWork, watchGpu } from './gpuWork.js';
import type { GpuWork } from './gpuWork.js';
import { TrainingStep } from './trainingStep.js';

watchGpu();

/** What a forward pass and a training step ask of the card, once every program is made. */
export interface Counted {
  readonly forward: GpuWork;
  readonly train: GpuWork;
  /** Pipelines that both together need. */
  readonly pipelines: number;
  /** The first loss; those after it part, as AdamW makes whole steps of gradients that are zero but for rounding. */
  readonly loss: number;
}

/**
 * Counts on `webgpu`.
 *
 * @param fused whether this library's own kernels are there.
 */
export async function count(sizes: StepSizes, fused: boolean): Promise<Counted> {
  await useBackend('webgpu');
  if (!fused) for (const name of Object.keys(webGpuKernels)) tf.unregisterKernel(name, 'webgpu');
  const step = new TrainingStep(sizes);
  takeWork();
  await step.evaluate();
  const loss = await step.train(); // makes the moments
  await step.train();
  const { pipelines } = takeWork();
  await step.evaluate();
  const forward = takeWork();
  await step.train();
  return { forward, train: takeWork(), pipelines, loss };
}
