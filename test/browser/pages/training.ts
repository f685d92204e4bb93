import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../../src/backends/select.js';
import type { BackendName, BackendOptions } from '../../../src/backends/select.js';
import { Recorded } from '../../recorded.js';
import { fiveSteps } from '../../training/fiveSteps.js';
import type { FiveSteps } from '../../training/fiveSteps.js';

/** What five training steps gave, and the number of tensors that they left behind. */
export interface Trained extends FiveSteps {
  readonly left: number;
}

/** The recorded training steps (test/fixtures/make_training.py) on a backend. */
export async function train(name: BackendName, options?: BackendOptions): Promise<Trained> {
  await useBackend(name, options);
  const file = await fetch('/fixtures/training.safetensors');
  const recorded = new Recorded(new Uint8Array(await file.arrayBuffer()));
  const before = tf.memory().numTensors;
  const steps = await fiveSteps(recorded);
  return { ...steps, left: tf.memory().numTensors - before };
}
