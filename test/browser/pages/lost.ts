import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../../src/backends/select.js';
import type { BackendName, BackendOptions } from '../../../src/backends/select.js';
import { messageOf } from '../../../src/errors.js';
import { Trainer } from '../../../src/training/trainer.js';
import { tinyData, tinyModel } from '../../training/tiny.js';

/** A run, and how it ended: `done`, or what it failed by. */
export interface Ran {
  readonly losses: Record<number, number>;
  readonly ended: string;
}

/** Trains six steps with a checkpoint after every second; behind step `loseAt` the browser takes the card away. */
export async function train(
  backend: BackendName,
  outputDir: string,
  { loseAt, resume = false }: { loseAt?: number; resume?: boolean } = {},
): Promise<Ran> {
  await useBackend(backend);
  const model = await tinyModel();
  const losses: Record<number, number> = {};
  const trainer = new Trainer(model, {
    epochs: 1,
    batchSize: 4,
    learningRate: 0.01,
    checkpointSteps: 2,
    outputDir,
    resume,
    onWarning: () => {},
    onStep: ({ step, loss }) => {
      losses[step] = loss!;
      if (step === loseAt) (tf.backend() as unknown as Card).device.destroy();
    },
  });
  const ended = await trainer.fit(tinyData(24)).then(() => 'done', messageOf);
  model.dispose();
  return { losses, ended };
}

interface Card {
  readonly device: { destroy(): void };
}

/** What is told of a backend where the browser has no card to give. */
export async function withoutCard(name: BackendName | 'auto', options?: BackendOptions) {
  const { prototype } = (globalThis as unknown as { GPU: { prototype: Adapters } }).GPU;
  const { requestAdapter } = prototype;
  prototype.requestAdapter = async () => null;
  try {
    return await start(name, options);
  } finally {
    prototype.requestAdapter = requestAdapter;
  }
}

interface Adapters {
  requestAdapter(): Promise<object | null>;
}

/** The backend that came into use, or why none did, and what was said. */
export async function start(name: BackendName | 'auto', options: BackendOptions = {}) {
  const said: string[] = [];
  const onAdvice = (advice: string): void => void said.push(advice);
  const used = await useBackend(name, { ...options, onAdvice }).catch(messageOf);
  return { used, said };
}
