/** What is known of a step whose loss was no number. */
export interface Divergence {
  readonly loss: number;
  readonly gradNorm: number;
  /** Counted from 1, as `epoch`. */
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  /** The names of the step's rows. */
  readonly rows: readonly string[];
  /** The last good checkpoint's file, where the run has a folder, and the steps done by then. */
  readonly checkpoint?: string;
  readonly checkpointStep?: number;
}

/** Training stopped because its loss, or the gradient, became NaN or infinite. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';

  constructor(readonly divergence: Divergence) {
    super(message(divergence));
  }
}

function message({ loss, gradNorm, step, epoch, learningRate, rows, ...rest }: Divergence): string {
  const what = Number.isFinite(loss)
    ? `the gradient's norm became ${gradNorm}`
    : `the loss became ${loss}`;
  const shown =
    rows.slice(0, 4).join('; ') + (rows.length > 4 ? ` and ${rows.length - 4} more` : '');
  const { checkpoint, checkpointStep } = rest;
  const kept =
    checkpoint === undefined
      ? 'the model holds weights that cannot be used'
      : `the model holds the weights of ${checkpoint}, after step ${checkpointStep}`;
  return (
    `training: ${what} in step ${step} (epoch ${epoch}, learning rate ${learningRate}, ` +
    `rows ${shown}); ` +
    `lower learningRate, raise warmupSteps, keep maxGradNorm at 1, or look at these rows; ${kept}`
  );
}
