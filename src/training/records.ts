import type { Mode } from '../fusion/fusion.js';
import { monitors } from './monitor.js';
import type { Monitor } from './monitor.js';
import type { EvaluationReport, ModeReport } from './evaluate.js';
import type { Reliance } from './reliance.js';

/** One optimizer step, as history.jsonl and `onStep` have it. */
export interface StepRecord {
  readonly kind: 'step';
  /** The epoch under way, counted from 1. */
  readonly epoch: number;
  /** Optimizer steps done, this one included. */
  readonly step: number;
  /**
   * The mean loss of the step's rows before the update, auxiliary losses included; null where no
   * row had a loss.
   */
  readonly loss: number | null;
  /** `learningRate` times the schedule's factor. */
  readonly learningRate: number;
  /** The norm of the gradient before it was clipped. */
  readonly gradNorm: number;
}

/** One epoch, as history.jsonl has it and `fit` returns it. */
export interface EpochRecord {
  readonly kind: 'epoch';
  /** Counted from 1. */
  readonly epoch: number;
  /** Optimizer steps done. */
  readonly step: number;
  /** The mean training loss of the epoch's rows, auxiliary losses included. */
  readonly loss: number;
  /** The learning rate of the epoch's last step. */
  readonly learningRate: number;
  /** The figures of the validation rows, where there are any. */
  readonly validation?: ValidationFigures;
  /**
   * With mode `both`, how much the answers to validation rows rest on each input: the share that changes with another
   * row's text, and with another row's picture.
   */
  readonly reliance?: Reliance;
  /** Whether this epoch is the best so far, by the option `monitor`. */
  readonly best: boolean;
}

/** The figures of one mode without its tables. */
export type Figures = Record<Monitor, number | null>;

/** The figures of the mode that is trained, and of every mode. */
export type ValidationFigures = Figures & { readonly modes: Partial<Record<Mode, Figures>> };

/** What a history keeps of an evaluation. */
export function figuresOf(report: EvaluationReport): ValidationFigures {
  const all = Object.entries(report.modes) as [Mode, ModeReport][];
  return {
    ...figures(report),
    modes: Object.fromEntries(all.map(([mode, one]) => [mode, figures(one)])),
  };
}

function figures(report: ModeReport): Figures {
  return Object.fromEntries(monitors.map((name) => [name, report[name]])) as Figures;
}
