import { InputError } from '../errors.js';
import { logSoftmaxRows } from '../training/metrics.js';
import type { Scores } from '../training/metrics.js';

/** What {@link fitTemperature} finds. */
export interface FittedTemperature {
  /** What logits are divided by; 1 where no temperature is best. */
  readonly temperature: number;
  /** Why no temperature is best. */
  readonly reason?: string;
}

/**
 * The temperature of the least log loss (Guo et al., "On calibration of modern neural networks",
 * 2017): probabilities are softmax(logits / temperature), and the order of the classes stays.
 *
 * Where every row is answered rightly the best temperature would be 0, and where the logits say no
 * more than chance it would be infinite: such rows tell nothing, and the temperature stays 1.
 *
 * @param labels the class of each row
 * @param logits [rows, classes]
 */
export function fitTemperature(labels: ArrayLike<number>, logits: Scores): FittedTemperature {
  if (labels.length === 0) return { temperature: 1, reason: 'there is no row' };
  const [least, most] = [2 ** -20, 2 ** 20];
  if (slope(labels, logits, most) <= 0)
    return { temperature: 1, reason: 'every row is answered rightly' };
  if (slope(labels, logits, least) >= 0)
    return { temperature: 1, reason: 'the answers are no better than chance' };
  let [low, high] = [Math.log(least), Math.log(most)];
  while (high - low > 1e-12) {
    const middle = (low + high) / 2;
    if (slope(labels, logits, Math.exp(middle)) < 0) low = middle;
    else high = middle;
  }
  return { temperature: Math.exp(-(low + high) / 2) };
}

/**
 * The derivative of the mean log loss of softmax(scale * logits) with respect to the scale, in which
 * the loss is convex: the logits' mean under the probabilities, less the logit of the label.
 */
function slope(labels: ArrayLike<number>, { values, classes }: Scores, scale: number): number {
  const scaled = Float64Array.from(values, (value) => value * scale);
  const logs = logSoftmaxRows({ values: scaled, classes });
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const start = row * classes;
    const label = values[start + labels[row]!];
    if (label === undefined) throw new InputError(`fitTemperature: no logits for row ${row}`);
    for (let c = start; c < start + classes; c++) sum += Math.exp(logs[c]!) * (values[c]! - label);
  }
  return sum / labels.length;
}
