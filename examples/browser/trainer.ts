// The worker: it trains, and keeps its run in the origin's private file system, in the folder `run`.
import { Trainer, evaluate, messageOf, useBackend, zipFolder } from 'bertresnet';
import { tinyDataset, tinyModel } from '../tiny/data.js';

/** What the page asks for. */
export type Order = 'train' | 'start over' | 'pause';

/** What the worker tells it. */
export type News =
  | { kind: 'step'; step: number; loss: number | null }
  | { kind: 'epoch'; loss: number; accuracy: number | null | undefined }
  | { kind: 'done'; accuracy: number; model: Blob }
  | { kind: 'stopped'; why: string };

const tell = (news: News): void => (postMessage as (message: News) => void)(news);
const pause = new AbortController();

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  if (data === 'pause') return pause.abort(new Error('Paused: “Train” goes on from here.'));
  void train(data === 'start over').catch((error: unknown) => {
    tell({ kind: 'stopped', why: messageOf(error) });
  });
});

async function train(overwrite: boolean): Promise<void> {
  await useBackend('cpu'); // for larger models 'auto', or 'webgpu' where the browser has it
  const model = await tinyModel();
  const test = tinyDataset('test', 2);
  const trainer = new Trainer(model, {
    epochs: 6,
    batchSize: 16,
    learningRate: 3e-3,
    seed: 1,
    outputDir: 'run',
    resume: !overwrite, // where there is a run to go on with
    overwrite,
    checkpointSteps: 4, // what a tab that is closed without a pause may lose
    onStep: ({ step, loss }) => tell({ kind: 'step', step, loss }),
  });
  const history = await trainer.fit(tinyDataset('train', 8), {
    validation: test,
    signal: pause.signal,
  });
  for (const { loss, validation } of history) {
    tell({ kind: 'epoch', loss, accuracy: validation?.accuracy });
  }
  const { accuracy } = await evaluate(model, test);
  tell({ kind: 'done', accuracy, model: await zipFolder('run/model') });
}
