import type { Mode } from '../fusion/fusion.js';
import type { BootstrapFigure, Interval } from '../evaluation/bootstrap.js';
import type { LeakageReport } from '../evaluation/leakage.js';
import type { EvaluationReport } from '../training/evaluate.js';
import type { ReliabilityBin } from '../training/metrics.js';
import type { EpochRecord, StepRecord } from '../training/records.js';

/** What was found of the rows that a model was tested on. */
export interface TestedRows {
  /** What the data set is called, and how many rows it has. */
  readonly name: string;
  readonly rows: number;
  /** The share of the most frequent label among the rows that were answered, and which it is. */
  readonly majority: { readonly label: string; readonly share: number };
  readonly figures: EvaluationReport;
  /** 95% bootstrap intervals of the figures, by mode. */
  readonly intervals: Partial<Record<Mode, Record<BootstrapFigure, Interval>>>;
  /** The reliability diagram of the mode that was asked for, and with the temperatures of a calibrated model. */
  readonly reliability: {
    readonly plain: readonly ReliabilityBin[];
    readonly calibrated?: readonly ReliabilityBin[];
  };
  /** What the model's temperatures were fitted on. */
  readonly calibratedOn?: string;
  /** The temperatures of the heads. */
  readonly temperatures: Partial<Record<Mode, number>>;
  /** The share of the surest rows that are answered rightly: [share kept, share right]. */
  readonly coverage: readonly (readonly [kept: number, right: number])[];
  /** 95% bootstrap intervals of the accuracy by what rows have, beside the figures' `byPresence`. */
  readonly presenceIntervals: Partial<Record<Mode, Interval>>;
  /** The wrong answers that were given most surely. */
  readonly mistakes: readonly Mistake[];
}

/** A wrong answer. */
export interface Mistake {
  /** What the row is called. */
  readonly row: string;
  readonly text?: string;
  /** A small picture as a data URI. */
  readonly image?: string;
  readonly label: string;
  readonly prediction: string;
  /** The probability of the prediction, and that of the label. */
  readonly probability: number;
  readonly labelProbability: number;
}

/** Rows of the test that were trained on, and the figures without them. */
export interface ReportedLeakage extends LeakageReport {
  /** The accuracy on the rows that were not trained on. */
  readonly without?: { readonly rows: number; readonly accuracy: number };
}

/** Everything that a report shows; it can be kept as JSON. */
export interface ReportData {
  readonly title: string;
  /** The labels, in the order of the model. */
  readonly labels: readonly string[];
  /** When it was made, as people write it. */
  readonly date?: string;
  /** What a command line did, to be copied. */
  readonly command?: string;
  readonly test?: TestedRows;
  /** The steps and epochs of the training. */
  readonly history?: readonly (StepRecord | EpochRecord)[];
  readonly leakage?: ReportedLeakage;
  /** What the run was made with, such as its config.json. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}
