import { InputError } from '../errors.js';

/** How the learning rate moves over a run: see {@link scheduleFactor}. */
export type ScheduleName = 'constant' | 'linear' | 'cosine';

/** The names of the schedules, in the order in which messages list them. */
export const scheduleNames: readonly ScheduleName[] = ['constant', 'linear', 'cosine'];

/** What a schedule needs to know of its run. */
export interface ScheduleOptions {
  /** Optimizer steps over which the factor rises linearly from 0 to 1. */
  readonly warmupSteps: number;
  /** Optimizer steps of the whole run. */
  readonly totalSteps: number;
}

/** The factor after the warm-up: `done` and `left` are shares of the steps after it. */
type Decay = (done: number, left: number) => number;

const decays: Record<ScheduleName, Decay> = {
  constant: () => 1,
  linear: (_, left) => Math.max(0, left),
  cosine: (done) => Math.max(0, 0.5 * (1 + Math.cos(Math.PI * done))),
};

/**
 * What the learning rate is multiplied by at an optimizer step (0 is the first), from 0 to 1.
 *
 * After a linear warm-up it stays (`constant`), falls on a line to 0 (`linear`) or on half a cosine
 * to 0 (`cosine`; Loshchilov and Hutter, 2017): the numbers of `get_constant_schedule_with_warmup`,
 * `get_linear_schedule_with_warmup` and `get_cosine_schedule_with_warmup` of Hugging Face
 * transformers. With a warm-up, the first step therefore has rate 0.
 *
 * @throws InputError where the name is unknown.
 */
export function scheduleFactor(name: ScheduleName, step: number, options: ScheduleOptions): number {
  const decay = Object.hasOwn(decays, name) ? decays[name] : undefined;
  if (decay === undefined) {
    throw new InputError(`schedule: unknown name '${name}'; known: ${scheduleNames.join(', ')}`);
  }
  const { warmupSteps, totalSteps } = options;
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  const length = Math.max(1, totalSteps - warmupSteps);
  return decay((step - warmupSteps) / length, (totalSteps - step) / length);
}
