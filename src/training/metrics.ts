import { InputError } from '../errors.js';

/**
 * How well one class is found. Fractions from 0 to 1; 0 where a division by zero would be (as
 * scikit-learn).
 */
export interface ClassReport {
  /** Of the rows that were given this label, the share that has it. */
  readonly precision: number;
  /** Of the rows that have this label, the share that was given it. */
  readonly recall: number;
  /** The harmonic mean of precision and recall. */
  readonly f1: number;
  /** The number of rows that have this label. */
  readonly support: number;
}

/** The figures of one set of answers: see {@link classificationReport}. */
export interface ClassificationReport {
  /** The number of rows that the figures are of. */
  readonly rows: number;
  readonly accuracy: number;
  /**
   * The mean F1 of the classes that occur among labels or predictions (scikit-learn's
   * `average='macro'`).
   */
  readonly macroF1: number;
  /** The mean F1 of the classes, by support (scikit-learn's `average='weighted'`). */
  readonly weightedF1: number;
  /** Mean negative log likelihood of the labels, in nats. */
  readonly loss: number;
  /** One-vs-rest area under the ROC curve, the mean over classes; null where it is undefined. */
  readonly auc: number | null;
  /** Why `auc` is null. */
  readonly aucReason?: string;
  /** Expected calibration error over 15 bins. */
  readonly ece: number;
  /** By label. */
  readonly perClass: Record<string, ClassReport>;
  /** Counts: row is the label, column the prediction, both in the order of the labels. */
  readonly confusion: number[][];
}

/** Row-major scores [rows, classes] with the number of classes: logits or probabilities. */
export interface Scores {
  readonly values: ArrayLike<number>;
  readonly classes: number;
}

/** The index of the largest score of each row; the first among equals. */
export function argMaxRows({ values, classes }: Scores): Int32Array {
  const best = new Int32Array(values.length / classes);
  for (let row = 0; row < best.length; row++) {
    for (let c = 1; c < classes; c++) {
      if (values[row * classes + c]! > values[row * classes + best[row]!]!) best[row] = c;
    }
  }
  return best;
}

/** The share of predictions that equal their label. */
export function accuracy(labels: ArrayLike<number>, predictions: ArrayLike<number>): number {
  requireRows('accuracy', labels.length, predictions.length);
  let right = 0;
  for (let row = 0; row < labels.length; row++) if (labels[row] === predictions[row]) right++;
  return right / labels.length;
}

/** Counts [label][prediction], as scikit-learn's `confusion_matrix`. */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): number[][] {
  requireRows('confusionMatrix', labels.length, predictions.length);
  const counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (let row = 0; row < labels.length; row++) {
    counts[requireClass(labels[row]!, classes)]![requireClass(predictions[row]!, classes)]! += 1;
  }
  return counts;
}

/** Precision, recall, F1 and support of each class, as scikit-learn's with `zero_division=0`. */
export function classReports(confusion: readonly (readonly number[])[]): ClassReport[] {
  return confusion.map((row, c) => {
    const right = row[c]!;
    const support = row.reduce((sum, count) => sum + count, 0);
    const predicted = confusion.reduce((sum, other) => sum + other[c]!, 0);
    return {
      precision: ratio(right, predicted),
      recall: ratio(right, support),
      f1: ratio(2 * right, support + predicted),
      support,
    };
  });
}

/** The mean F1 over the classes that occur among labels or predictions. */
export function macroF1(confusion: readonly (readonly number[])[]): number {
  const occurs = confusion.map(
    (row, c) => row.some((n) => n > 0) || confusion.some((other) => other[c]! > 0),
  );
  const scores = classReports(confusion).filter((_, c) => occurs[c]);
  return ratio(
    sumOf(scores, ({ f1 }) => f1),
    scores.length,
  );
}

/** The mean F1 of the classes, each counted by its support. */
export function weightedF1(confusion: readonly (readonly number[])[]): number {
  const reports = classReports(confusion);
  return ratio(
    sumOf(reports, ({ f1, support }) => f1 * support),
    sumOf(reports, ({ support }) => support),
  );
}

/** Log softmax of each row in double precision, row-major. */
export function logSoftmaxRows({ values, classes }: Scores): Float64Array {
  const out = Float64Array.from(values);
  for (let start = 0; start < out.length; start += classes) {
    const row = out.subarray(start, start + classes);
    const peak = row.reduce((most, value) => Math.max(most, value), -Infinity);
    const logSum = peak + Math.log(row.reduce((sum, value) => sum + Math.exp(value - peak), 0));
    for (let c = 0; c < classes; c++) row[c]! -= logSum;
  }
  return out;
}

/** Softmax of each row in double precision, row-major. */
export function softmaxRows(logits: Scores): Float64Array {
  return logSoftmaxRows(logits).map(Math.exp);
}

/**
 * The mean negative log likelihood of the labels, in nats, from logits: nothing is clipped, so a
 * certain and wrong answer costs its true (finite) loss. Equal to scikit-learn's `log_loss` of the
 * softmax wherever that clips nothing.
 */
export function logLoss(labels: ArrayLike<number>, logits: Scores): number {
  requireRows('logLoss', labels.length, logits.values.length / logits.classes);
  const logs = logSoftmaxRows(logits);
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    sum -= logs[row * logits.classes + requireClass(labels[row]!, logits.classes)]!;
  }
  return sum / labels.length;
}

/**
 * The area under the ROC curve of scores for positives against negatives: the chance that a
 * positive row has the higher score, a tie counting one half (the Mann-Whitney statistic). NaN
 * where one side is empty.
 */
export function binaryAuc(positive: ArrayLike<boolean>, scores: ArrayLike<number>): number {
  const order = Array.from(scores, (_, i) => i).toSorted((a, b) => scores[a]! - scores[b]!);
  let rankSum = 0;
  let positives = 0;
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    const rank = (start + 1 + end) / 2; // the mean rank of the tied rows, counted from 1
    for (let i = start; i < end; i++) {
      if (!positive[order[i]!]) continue;
      rankSum += rank;
      positives += 1;
    }
    start = end;
  }
  const negatives = order.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/**
 * Area under the ROC curve from probabilities: of class 1 where there are two classes, else each
 * class against the rest, unweighted mean: scikit-learn's `roc_auc_score(labels, p,
 * multi_class='ovr')`. It is undefined, hence null with a reason, where a class has no row or every
 * row.
 */
export function areaUnderRoc(
  labels: ArrayLike<number>,
  probabilities: Scores,
): { readonly auc: number | null; readonly reason?: string } {
  const { values, classes } = probabilities;
  requireRows('areaUnderRoc', labels.length, values.length / classes);
  if (classes < 2) return { auc: null, reason: 'there is only one class' };
  const asked = classes === 2 ? [1] : Array.from({ length: classes }, (_, c) => c);
  let sum = 0;
  for (const c of asked) {
    const positive = Array.from(labels, (label) => label === c);
    const count = positive.filter(Boolean).length;
    if (count === 0) return { auc: null, reason: `no row has the label of class ${c}` };
    if (count === positive.length)
      return { auc: null, reason: `every row has the label of class ${c}` };
    sum += binaryAuc(
      positive,
      positive.map((_, row) => values[row * classes + c]!),
    );
  }
  return { auc: sum / asked.length };
}

/**
 * Expected calibration error (Naeini et al., 2015; Guo et al., 2017): rows fall by their
 * confidence, the largest probability, into `bins` equal intervals (low, high] of 0 to 1; the error
 * is the mean over rows of |accuracy - mean confidence| of their bin.
 */
export function expectedCalibrationError(
  labels: ArrayLike<number>,
  probabilities: Scores,
  bins = 15,
): number {
  const found = reliabilityBins(labels, probabilities, bins);
  const gap = sumOf(found, ({ right, confidence }) => Math.abs(right - confidence));
  return gap / labels.length;
}

/** The rows whose confidence, the largest probability, lies in an interval (low, high]. */
export interface ReliabilityBin {
  readonly rows: number;
  /** How many of them are answered rightly. */
  readonly right: number;
  /** The sum of their confidences: were they calibrated, about as many would be right. */
  readonly confidence: number;
}

/** Rows by their confidence, in `bins` equal intervals (low, high] of 0 to 1: a reliability diagram. */
export function reliabilityBins(
  labels: ArrayLike<number>,
  probabilities: Scores,
  bins = 15,
): ReliabilityBin[] {
  const { values, classes } = probabilities;
  const predictions = argMaxRows(probabilities);
  requireRows('reliabilityBins', labels.length, predictions.length);
  const found = Array.from({ length: bins }, () => ({ rows: 0, right: 0, confidence: 0 }));
  for (let row = 0; row < labels.length; row++) {
    const confidence = values[row * classes + predictions[row]!]!;
    const bin = found[Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))]!;
    bin.rows += 1;
    bin.confidence += confidence;
    if (predictions[row] === labels[row]) bin.right += 1;
  }
  return found;
}

/**
 * All figures of a set of answers.
 *
 * @param labels the index of each row's true class
 * @param logits [rows, names.length]
 * @param names the labels, in the order of the classes
 * @throws InputError where there is no row, a label is not a class, or a logit is not a number.
 */
export function classificationReport(
  labels: ArrayLike<number>,
  logits: ArrayLike<number>,
  names: readonly string[],
): ClassificationReport {
  const classes = names.length;
  const scores = { values: requireNumbers(logits, classes), classes };
  const probabilities = { values: softmaxRows(scores), classes };
  const confusion = confusionMatrix(labels, argMaxRows(scores), classes);
  const reports = classReports(confusion);
  const { auc, reason } = areaUnderRoc(labels, probabilities);
  return {
    rows: labels.length,
    accuracy: ratio(
      sumOf(confusion, (row, c) => row[c]!),
      labels.length,
    ),
    macroF1: macroF1(confusion),
    weightedF1: weightedF1(confusion),
    loss: logLoss(labels, scores),
    auc,
    ...(reason === undefined ? {} : { aucReason: named(reason, names) }),
    ece: expectedCalibrationError(labels, probabilities),
    perClass: Object.fromEntries(names.map((name, c) => [name, reports[c]!])),
    confusion,
  };
}

function named(reason: string, names: readonly string[]): string {
  return reason.replace(/class (\d+)$/, (_, c: string) => `class '${names[Number(c)]}'`);
}

function requireNumbers(logits: ArrayLike<number>, classes: number): ArrayLike<number> {
  for (let i = 0; i < logits.length; i++) {
    if (!Number.isFinite(logits[i])) {
      throw new InputError(
        `metrics: logits must be finite, got ${logits[i]} in row ${Math.floor(i / classes)}`,
      );
    }
  }
  return logits;
}

function requireRows(who: string, labels: number, rows: number): void {
  if (labels !== rows)
    throw new InputError(`${who}: one label a row, got ${labels} labels for ${rows} rows`);
  if (rows === 0) throw new InputError(`${who}: at least one row is needed, got none`);
}

function requireClass(value: number, classes: number): number {
  if (Number.isInteger(value) && value >= 0 && value < classes) return value;
  throw new InputError(`metrics: a class must be an integer below ${classes}, got ${value}`);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function sumOf<T>(items: readonly T[], value: (item: T, index: number) => number): number {
  return items.reduce((sum, item, index) => sum + value(item, index), 0);
}
