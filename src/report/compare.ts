import { mcnemar } from '../evaluation/mcnemar.js';
import type { McNemarResult } from '../evaluation/mcnemar.js';
import type { EvaluationReport } from '../training/evaluate.js';
import type { EpochRecord, StepRecord } from '../training/records.js';
import type { AnswerRecord } from './answerTable.js';

/** What a run found on some rows. */
export interface ComparedFigures {
  readonly figures: EvaluationReport;
  /** Its answers to the rows: they tell which rows another answered too, and whether a difference is more than chance. */
  readonly answers?: readonly AnswerRecord[];
}

/** A run beside another. */
export interface ComparedRun {
  readonly name: string;
  /** By what the rows are called. */
  readonly tests: Readonly<Record<string, ComparedFigures>>;
  readonly history?: readonly (StepRecord | EpochRecord)[];
  readonly configuration?: Readonly<Record<string, unknown>>;
}

/** McNemar's test of two runs on the rows that both answered. */
export interface ComparedAnswers extends McNemarResult {
  /** How many rows both answered. */
  readonly rows: number;
  /** How many rows each answered that the other did not: 0 of both where they were tested on the same rows. */
  readonly alone: readonly [first: number, second: number];
  /** The share that each answers rightly of them. */
  readonly accuracy: readonly [first: number, second: number];
}

/** A row that both answered. */
export interface AnswerPair {
  readonly one: AnswerRecord;
  readonly other: AnswerRecord;
}

/** The rows that stand in two lists of answers, whatever their order. */
export function answerPairs(
  first: readonly AnswerRecord[],
  second: readonly AnswerRecord[],
): AnswerPair[] {
  const others = new Map(second.map((one) => [one.key, one]));
  return first.flatMap((one) => {
    const other = others.get(one.key);
    return other === undefined ? [] : [{ one, other }];
  });
}

/** Compares two lists of answers on the rows that stand in both; nothing where none does. */
export function compareAnswers(
  first: readonly AnswerRecord[],
  second: readonly AnswerRecord[],
): ComparedAnswers | undefined {
  const pairs = answerPairs(first, second);
  if (pairs.length === 0) return undefined;
  const right = (answer: AnswerRecord): number => (answer.prediction === answer.label ? 1 : 0);
  const [a, b] = [pairs.map(({ one }) => right(one)), pairs.map(({ other }) => right(other))];
  const share = (hits: readonly number[]): number =>
    hits.reduce((sum, hit) => sum + hit, 0) / hits.length;
  const truth = pairs.map(() => 1);
  const rows = pairs.length;
  return {
    rows,
    alone: [first.length - rows, second.length - rows],
    accuracy: [share(a), share(b)],
    ...mcnemar(truth, a, b),
  };
}
