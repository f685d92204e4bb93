import type { Mode } from '../fusion/fusion.js';
import {
  accuracy,
  classReports,
  confusionMatrix,
  expectedCalibrationError,
  macroF1,
} from '../training/metrics.js';
import type { AnswerRecord } from './answerTable.js';
import { answerPairs } from './compare.js';
import type { ComparedFigures } from './compare.js';

/** The figures of rows that are told by their answers alone. */
export interface AnsweredFigures {
  readonly accuracy: number;
  readonly macroF1: number;
  readonly ece: number;
  readonly perClass: Readonly<Record<string, { readonly f1: number }>>;
  readonly byPresence: Partial<Record<Mode, { readonly accuracy: number }>>;
}

/** What two runs found on the rows that both answered, in the order of the first; undefined where there are none. */
export function sharedFigures(
  first: ComparedFigures,
  second: ComparedFigures,
): readonly [first: AnsweredFigures, second: AnsweredFigures] | undefined {
  const pairs = answerPairs(first.answers ?? [], second.answers ?? []);
  if (pairs.length === 0) return undefined;
  const both = [first, second].every(({ figures }) => figures.mode === 'both');
  const kinds = both ? pairs.map(({ one }) => one.mode as Mode) : [];
  const [a, b] = [pairs.map(({ one }) => one), pairs.map(({ other }) => other)];
  const met = new Set([...a, ...b].flatMap(({ label, prediction }) => [label, prediction]));
  const ordered = new Set([...Object.keys(first.figures.perClass), ...met]);
  const names = [...ordered].filter((name) => met.has(name));
  return [figuresOf(a, names, kinds), figuresOf(b, names, kinds)];
}

/** @param kinds what each row has, where that is known */
function figuresOf(
  answers: readonly AnswerRecord[],
  names: readonly string[],
  kinds: readonly Mode[],
): AnsweredFigures {
  const labels = answers.map(({ label }) => names.indexOf(label));
  const predictions = answers.map(({ prediction }) => names.indexOf(prediction));
  const confusion = confusionMatrix(labels, predictions, names.length);
  const reports = classReports(confusion).map((one, c) => [names[c]!, one] as const);
  const having = (kind: Mode): { accuracy: number } => {
    const own = (_: number, row: number): boolean => kinds[row] === kind;
    return { accuracy: accuracy(labels.filter(own), predictions.filter(own)) };
  };
  return {
    accuracy: accuracy(labels, predictions),
    macroF1: macroF1(confusion),
    ece: calibrationError(answers),
    perClass: Object.fromEntries(reports),
    byPresence: Object.fromEntries([...new Set(kinds)].map((kind) => [kind, having(kind)])),
  };
}

/** The probability of the answer is all that it takes: as if it were the only class, which a right row has. */
function calibrationError(answers: readonly AnswerRecord[]): number {
  const wrong = answers.map(({ label, prediction }) => (label === prediction ? 0 : 1));
  const values = answers.map(({ probability }) => probability);
  return expectedCalibrationError(wrong, { values, classes: 1 });
}
