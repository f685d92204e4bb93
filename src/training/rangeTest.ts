/** One step of a learning rate range test. */
export interface RangePoint {
  /** The rate of the step; parts of the model with a rate of their own keep their ratio to it. */
  readonly learningRate: number;
  /** The loss of the step's rows, before the update. */
  readonly loss: number;
  /** The mean of the losses so far, late ones weighing more. */
  readonly smoothedLoss: number;
}

/** The share of the first steps whose slope says nothing yet: the mean is of few losses there. */
const skippedShare = 0.1;

/** The rate of a step (from 0) of so many: equal factors from the smallest to the largest. */
export function sweptRate(step: number, steps: number, smallest: number, largest: number): number {
  return smallest * (largest / smallest) ** (step / (steps - 1));
}

/** An exponential mean of what it is given, each time divided by the weights so far, as Adam's moments are. */
export class SmoothedLoss {
  #sum = 0;
  #weight = 0;

  /** @param smoothing what the losses before count, from 0 (not at all) on and below 1 */
  constructor(readonly smoothing: number) {}

  next(loss: number): number {
    this.#sum = this.smoothing * this.#sum + (1 - this.smoothing) * loss;
    this.#weight = this.smoothing * this.#weight + (1 - this.smoothing);
    return this.#sum / this.#weight;
  }
}

/**
 * The rate at which the smoothed loss falls most steeply over the logarithm of the rate, among the points up to its
 * minimum; undefined where it falls nowhere. The first tenth is left out.
 */
export function steepestRate(points: readonly RangePoint[]): number | undefined {
  const losses = points.map(({ smoothedLoss }) => smoothedLoss);
  const lowest = losses.indexOf(Math.min(...losses));
  let steepest = { slope: 0, learningRate: undefined as number | undefined };
  for (let i = Math.max(1, Math.ceil(points.length * skippedShare)); i <= lowest; i++) {
    const { learningRate } = points[i]!;
    const before = points[i - 1]!;
    const after = points[Math.min(i + 1, points.length - 1)]!;
    const distance = Math.log(after.learningRate / before.learningRate);
    const slope = (after.smoothedLoss - before.smoothedLoss) / distance;
    if (slope < steepest.slope) steepest = { slope, learningRate };
  }
  return steepest.learningRate;
}
