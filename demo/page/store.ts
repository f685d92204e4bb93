import type { DataSummary, Device, EpochNews, Outcome, StepNews } from '../protocol.js';

export type Phase = 'idle' | 'preparing' | 'training' | 'paused' | 'stopping' | 'trained';

/** All that the page shows. */
export interface State {
  readonly device?: Device;
  /** Why the engine did not start. */
  readonly deviceProblem?: string;
  readonly data?: DataSummary;
  readonly phase: Phase;
  /** What is under way before the first step. */
  readonly preparing?: string;
  readonly steps: readonly StepNews[];
  readonly epochs: readonly EpochNews[];
  readonly outcome?: Outcome;
  readonly trainProblem?: string;
}

type Listener = (state: State, before: State) => void;

const listeners: Listener[] = [];
let current: State = { phase: 'idle', steps: [], epochs: [] };

export const state = (): State => current;

/** Changes some of the state, and tells everybody. */
export function change(part: Partial<State>): void {
  const before = current;
  current = { ...current, ...part };
  for (const listener of listeners) listener(current, before);
}

/** Calls the listener now, and after every change. */
export function watch(listener: Listener): void {
  listeners.push(listener);
  listener(current, current);
}

/** The state in which nothing was trained. */
export const noRun: Partial<State> = {
  phase: 'idle',
  preparing: undefined,
  steps: [],
  epochs: [],
  outcome: undefined,
  trainProblem: undefined,
};

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Whether a run is under way, moving or not. */
export const isRunning = ({ phase }: State): boolean => phase !== 'idle' && phase !== 'trained';

/** Whether there is a model that can be asked. */
export const hasModel = ({ phase, steps, outcome }: State): boolean =>
  outcome !== undefined || (phase !== 'idle' && steps.length > 0);
