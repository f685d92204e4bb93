import { Subset, Trainer } from 'bertresnet';
import type { BertResNetModel, Dataset, TrainingOptions } from 'bertresnet';
import type { Estimate, Setup, Split } from '../protocol.js';
import { recipe } from './model.js';

/** Batches that are learnt from, and how often. */
const [measured, passes] = [4, 2];
/** Answering a row costs about a third of learning from it: the way forth, without the way back. */
const answering = 1 / 3;

/** Trains a few steps of a model that is then thrown away, and reckons how long all of them will take. */
export async function estimate(
  model: BertResNetModel,
  parts: Readonly<Record<Split, Dataset>>,
  setup: Setup,
  signal: AbortSignal,
): Promise<Estimate> {
  const { train, validation, test } = parts;
  const options = recipe(setup, train.size);
  const batchSize = options.batchSize!;
  const count = Math.min(train.size, batchSize * measured);
  const evenly = Array.from({ length: count }, (_, i) => Math.floor((i * train.size) / count));
  const times = await timeSteps(
    model,
    new Subset(train, evenly),
    { ...options, epochs: passes },
    signal,
  );
  const step = usual(times);
  const steps = Math.ceil(train.size / batchSize) * setup.epochs;
  const answers = (validation.size * setup.epochs + test.size) / batchSize;
  // What steps of a new shape took beyond the others: it had to be compiled.
  const compiling = times.reduce((sum, time) => sum + time - step, 0);
  return { parameters: countOf(model), seconds: step * (steps + answers * answering) + compiling };
}

/** Seconds of each step of a training. */
async function timeSteps(
  model: BertResNetModel,
  rows: Dataset,
  options: TrainingOptions,
  signal: AbortSignal,
): Promise<number[]> {
  const times: number[] = [];
  let before = performance.now();
  const onStep = (): void => {
    const now = performance.now();
    times.push((now - before) / 1000);
    before = now;
  };
  await new Trainer(model, { ...options, onWarning: () => {} }).fit(rows, { signal, onStep });
  return times;
}

/** What a step takes that is compiled: of the faster half of them, the slowest. */
function usual(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) / 2)]!;
}

function countOf(model: BertResNetModel): number {
  return [...model.namedParameters().values()].reduce((sum, { size }) => sum + size, 0);
}
