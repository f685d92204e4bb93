import { useBackend } from '../../../src/backends/select.js';
import { messageOf } from '../../../src/errors.js';
import { Trainer } from '../../../src/training/trainer.js';
import { tinyData, tinyModel } from '../../training/tiny.js';

/** What the page asks of the worker: to train, to pause, or to go on behind the step that it holds at. */
export type Order =
  | {
      readonly outputDir: string;
      readonly resume?: boolean;
      readonly slowWrites?: boolean;
      /** The step behind which it waits to be told to go on. */
      readonly holdAt?: number;
    }
  | 'pause'
  | 'go on';

/** What it is to train. */
export type Task = Exclude<Order, string>;

/** What the worker says. */
export type Said =
  | { readonly step: number; readonly loss: number | null }
  | { readonly writing: number }
  | { readonly done: string };

interface Scope {
  addEventListener(type: 'message', listener: (event: MessageEvent<Order>) => void): void;
  postMessage(message: Said, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as Scope;
const pause = new AbortController();
let goOn: () => void = () => {};
const toldToGoOn = new Promise<void>((resolve) => (goOn = resolve));

/** Tells of every file that begins to be written or moved, and leaves the page time to die within it. */
function slowDown(): void {
  const handle = (globalThis as unknown as { FileSystemFileHandle: { prototype: object } })
    .FileSystemFileHandle.prototype as Record<string, (...given: unknown[]) => Promise<unknown>>;
  let count = 0;
  for (const name of ['createWritable', 'move']) {
    const original = handle[name]!;
    handle[name] = async function (...given) {
      scope.postMessage({ writing: ++count }, []);
      await new Promise((resolve) => setTimeout(resolve, 25));
      return original.apply(this, given);
    };
  }
}

async function train({ outputDir, resume, slowWrites, holdAt }: Task): Promise<void> {
  if (slowWrites === true) slowDown();
  await useBackend('cpu');
  const trainer = new Trainer(await tinyModel(), {
    epochs: 3,
    batchSize: 4,
    learningRate: 0.01,
    checkpointSteps: 2,
    outputDir,
    resume,
    onWarning: () => {},
    onStep: async ({ step, loss }) => {
      scope.postMessage({ step, loss }, []);
      if (step === holdAt) await toldToGoOn;
    },
  });
  const told = await trainer
    .fit(tinyData(20), { validation: tinyData(6, 2), signal: pause.signal })
    .then(() => 'done', messageOf);
  scope.postMessage({ done: told }, []);
}

scope.addEventListener('message', ({ data }) => {
  if (data === 'pause') pause.abort(new Error('paused'));
  else if (data === 'go on') goOn();
  else void train(data);
});
