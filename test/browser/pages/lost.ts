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
  { loseAt, ...options }: { loseAt?: number; resume?: boolean; overwrite?: boolean } = {},
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
    ...options,
    onWarning: () => {},
    onStep: ({ step, loss }) => {
      losses[step] = loss!;
      if (step === loseAt) loseCard();
    },
  });
  const ended = await trainer.fit(tinyData(24)).then(() => 'done', messageOf);
  model.dispose();
  return { losses, ended };
}

/** What reading gives when the card is taken away: `read 60`, or what it fails by. */
export interface AcrossLoss {
  /** Of what is being read when it happens. */
  readonly pending: string;
  /** Of what was computed before. */
  readonly kept: string;
  /** Of what is computed after it. */
  readonly made: string;
  /** Of what is computed when the backend was chosen once more. */
  readonly anew: string;
}

export async function acrossLoss(backend: BackendName): Promise<AcrossLoss> {
  const compute = (): tf.Tensor => tf.matMul(tf.fill([30, 30], 2), tf.ones([30, 30]));
  const read = async (make: () => tf.Tensor): Promise<string> => {
    try {
      return `read ${(await make().data())[0]}`;
    } catch (error) {
      return messageOf(error);
    }
  };
  await useBackend(backend);
  const before = compute();
  const pending = read(compute);
  loseCard();
  const told = {
    pending: await pending,
    kept: await read(() => before),
    made: await read(compute),
  };
  await useBackend(backend);
  return { ...told, anew: await read(compute) };
}

/** As the browser takes the card away of whatever computes on it. */
function loseCard(): void {
  const { device, gpgpu } = tf.backend() as unknown as Partial<Card>;
  device?.destroy();
  gpgpu?.gl.getExtension('WEBGL_lose_context')!.loseContext();
}

interface Card {
  readonly device: { destroy(): void };
  readonly gpgpu: { readonly gl: WebGL2RenderingContext };
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
