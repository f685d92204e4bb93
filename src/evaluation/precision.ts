import type { PrecisionPoint } from '../calibration.js';

/** An answer: how probable it was said to be, and whether it is right. */
export interface Answer {
  readonly probability: number;
  readonly right: boolean;
}

/**
 * The thresholds that are worth having: of every precision that some threshold reaches, the smallest
 * that reaches it. They rise, and so do their precisions. (Points of scikit-learn's
 * `precision_recall_curve` of the answers.)
 *
 * @param minimumRows thresholds that fewer answers reach are left out: their precision is luck
 */
export function precisionCurve(answers: readonly Answer[], minimumRows: number): PrecisionPoint[] {
  const falling = answers.toSorted((a, b) => b.probability - a.probability);
  const points: PrecisionPoint[] = [];
  let right = 0;
  falling.forEach(({ probability, right: isRight }, i) => {
    if (isRight) right += 1;
    if (falling[i + 1]?.probability === probability) return; // equal answers are kept together
    const rows = i + 1;
    if (rows >= minimumRows) points.push({ threshold: probability, precision: right / rows, rows });
  });
  let best = -Infinity;
  return points.toReversed().filter(({ precision }) => {
    if (precision <= best) return false;
    best = precision;
    return true;
  });
}
