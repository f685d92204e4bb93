import type { SingleBar } from 'cli-progress';
import { epochLine, formatSeconds, secondsLeft } from './progress.js';
import type { ProgressReporter, RunInfo } from './progress.js';
import type { EpochRecord, StepRecord } from './records.js';

const format =
  ' {bar} {percentage}% | epoch {epoch} | step {value} of {total} | ' +
  'loss {loss} | rate {rate} | {left} left';

/** A progress bar on a terminal, with a line for each epoch above it. */
export class BarProgress implements ProgressReporter {
  readonly #stream: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #info: RunInfo = { epochs: 0, totalSteps: 0, doneSteps: 0 };
  #started = 0;

  /** @param stream a terminal (default stderr, so that stdout stays free for results) */
  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  features(done: number, total: number): void {
    const end = done === total ? '\n' : '';
    this.#stream.write(`\r\u001b[Kfeatures: ${done} of ${total} rows${end}`);
  }

  async start(info: RunInfo): Promise<void> {
    const { default: progress } = await import('cli-progress');
    this.#info = info;
    this.#started = Date.now();
    this.#bar = new progress.SingleBar(
      { format, stream: this.#stream, hideCursor: true, clearOnComplete: true, fps: 5 },
      progress.Presets.shades_classic,
    );
    this.#bar.start(info.totalSteps, info.doneSteps, {
      epoch: '-',
      loss: '-',
      rate: '-',
      left: '-',
    });
  }

  step({ epoch, step, loss, learningRate }: StepRecord): void {
    const { epochs, totalSteps, doneSteps } = this.#info;
    const seconds = (Date.now() - this.#started) / 1000;
    const left = secondsLeft(step - doneSteps, totalSteps - doneSteps, seconds);
    this.#bar?.update(step, {
      epoch: `${epoch}/${epochs}`,
      loss: loss?.toFixed(4) ?? '-',
      rate: learningRate.toExponential(2),
      left: left === undefined ? '-' : formatSeconds(left),
    });
    this.#bar?.render(); // its own timer has no turn while the engine computes
  }

  epoch(record: EpochRecord): void {
    this.#stream.write(`\r\u001b[K${epochLine(record)}\n`);
    this.#bar?.render();
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
