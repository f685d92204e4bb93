import { temperatureOf } from '../calibration.js';
import type { Calibration } from '../calibration.js';
import type { Batch } from '../datasets/batch.js';
import { InputError } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';
import type { EvaluationReport, ModeReport, PresenceReport } from './evaluate.js';
import {
  accuracy,
  argMaxRows,
  classificationReport,
  confusionMatrix,
  expectedCalibrationError,
  logLoss,
  macroF1,
  softmaxRows,
} from './metrics.js';
import { mainMode } from './rowLoss.js';

/** What one mode answered: an entry for each row that it has an answer to, in the order of the rows. */
export interface ModeAnswers {
  /** Where the rows stand in the data set. */
  readonly positions: Int32Array;
  /** The class of each row. */
  readonly labels: Int32Array;
  /** The head that answered: in mode `both`, a single one where a row lacks the other input. */
  readonly heads: readonly Mode[];
  /** Logits [rows, classes] as the model gives them: no temperature is applied. */
  readonly logits: Float32Array;
  /** Probabilities [rows, classes], with the temperatures of a model that is calibrated. */
  readonly probabilities: Float64Array;
  /** The class of the largest logit of each row. */
  readonly predictions: Int32Array;
}

/** The rows that have the same inputs, and what was answered to each from all of them. */
export interface PresentRows {
  /** What the rows have. */
  readonly has: Mode;
  /** The class of each row. */
  readonly labels: Int32Array;
  /** The class that each was given. */
  readonly predictions: Int32Array;
}

/** What was answered, and by whom. */
export interface AnswersOf {
  /** The mode that was asked for. */
  readonly mode: Mode;
  /** The model's labels, in the order of the logits. */
  readonly labels: readonly string[];
  /** What the data set is called. */
  readonly name: string;
}

/** The logits of a batch [rows, classes], by the head that gave them. */
export type Logits = Partial<Record<Mode, Float32Array>>;

/**
 * The answers of a model's heads to every row of a data set, each in the place of its row: in
 * whatever order they come, sums over them are the same.
 */
export class RowAnswers {
  /** Which rows have a text. */
  readonly hasText: boolean[];
  /** Which rows have a picture that can be read. */
  readonly hasImage: boolean[];
  /** The class of each row. */
  readonly classes: Int32Array;
  readonly #logits: Readonly<Record<Mode, Float32Array>>;

  constructor(
    readonly of: AnswersOf,
    /** The number of rows. */
    readonly size: number,
    /** The model's, where it has one; `calibrate` puts it here too. */
    public calibration?: Calibration,
  ) {
    this.hasText = Array.from({ length: size }, () => false);
    this.hasImage = Array.from({ length: size }, () => false);
    this.classes = new Int32Array(size);
    const room = (): Float32Array => new Float32Array(size * of.labels.length);
    this.#logits = { text: room(), image: room(), both: room() };
  }

  /** Takes the answers to a batch, of which each row has a class. */
  add(batch: Batch, classes: readonly number[], logits: Logits): void {
    const width = this.of.labels.length;
    batch.positions.forEach((position, row) => {
      this.hasText[position] = batch.hasText[row]!;
      this.hasImage[position] = batch.hasImage[row]!;
      this.classes[position] = classes[row]!;
      for (const [head, values] of Object.entries(logits) as [Mode, Float32Array][]) {
        const answer = values.subarray(row * width, (row + 1) * width);
        this.#logits[head].set(answer, position * width);
      }
    });
  }

  /** A logit that is NaN or infinite, of any row and head; undefined where there is none. */
  get notFinite(): number | undefined {
    const found = modes.map((head) => this.#logits[head].find((logit) => !Number.isFinite(logit)));
    return found.find((logit) => logit !== undefined);
  }

  /** The head that answers a row in a mode; undefined where the row lacks what the mode reads. */
  headOf(position: number, mode: Mode): Mode | undefined {
    return mainMode(this, position, mode);
  }

  /** The answers of one mode. */
  in(mode: Mode): ModeAnswers {
    const width = this.of.labels.length;
    const all = Int32Array.from({ length: this.size }, (_, position) => position);
    const positions = all.filter((position) => this.headOf(position, mode) !== undefined);
    const heads = Array.from(positions, (position) => this.headOf(position, mode)!);
    const logits = new Float32Array(positions.length * width);
    positions.forEach((position, row) => {
      const answer = this.#logits[heads[row]!].subarray(position * width, (position + 1) * width);
      logits.set(answer, row * width);
    });
    const scores = { values: this.#scaled(logits, heads), classes: width };
    return {
      ...{ positions, heads, logits },
      labels: positions.map((position) => this.classes[position]!),
      probabilities: softmaxRows(scores),
      predictions: argMaxRows({ values: logits, classes: width }),
    };
  }

  /** Logits divided by the temperature of the head that gave them. */
  #scaled(logits: Float32Array, heads: readonly Mode[]): Float64Array {
    const width = this.of.labels.length;
    const temperatures = heads.map((head) => temperatureOf(this.calibration, head));
    return Float64Array.from(logits, (logit, i) => logit / temperatures[Math.floor(i / width)]!);
  }

  /** The modes that have an answer to any row: that which was asked for, and with `both` the single ones. */
  get modes(): Mode[] {
    const asked = modes.filter((mode) => this.of.mode === 'both' || mode === this.of.mode);
    return asked.filter((mode) =>
      this.classes.some((_, position) => this.headOf(position, mode) !== undefined),
    );
  }

  /** The figures. @throws InputError where the mode that was asked for has no answer to any row */
  report(): EvaluationReport {
    const { mode, name } = this.of;
    const reports = this.modes.map((one) => [one, this.#reportOf(one)] as const);
    const asked = reports.find(([one]) => one === mode)?.[1];
    if (asked === undefined)
      throw new InputError(`evaluate: mode '${mode}' finds no row to answer in ${name}`);
    const all = { mode, ...asked, modes: Object.fromEntries(reports) };
    return mode === 'both' ? { ...all, byPresence: this.#presenceReports() } : all;
  }

  /** The labels and answers of mode `both`, by what the rows have. */
  byPresence(): readonly PresentRows[] {
    const { labels, predictions, heads } = this.in('both');
    const kinds = modes.filter((mode) => heads.includes(mode));
    return kinds.map((has) => {
      const own = (_: number, row: number): boolean => heads[row] === has;
      return { has, labels: labels.filter(own), predictions: predictions.filter(own) };
    });
  }

  #presenceReports(): EvaluationReport['byPresence'] {
    const classes = this.of.labels.length;
    const reports = this.byPresence().map(({ has, labels, predictions }) => {
      const confusion = confusionMatrix(labels, predictions, classes);
      const figures: PresenceReport = {
        rows: labels.length,
        accuracy: accuracy(labels, predictions),
        macroF1: macroF1(confusion),
      };
      return [has, figures] as const;
    });
    return Object.fromEntries(reports);
  }

  #reportOf(mode: Mode): ModeReport {
    const { labels: names } = this.of;
    const answers = this.in(mode);
    const lacking = (has: readonly boolean[]): number => has.filter((present) => !present).length;
    return {
      ...classificationReport(answers.labels, answers.logits, names),
      ...(this.calibration && { calibrated: this.#calibrated(answers) }),
      missing: {
        ...(mode !== 'image' && { text: lacking(this.hasText) }),
        ...(mode !== 'text' && { image: lacking(this.hasImage) }),
      },
    };
  }

  #calibrated({ labels, logits, heads, probabilities }: ModeAnswers): ModeReport['calibrated'] {
    const classes = this.of.labels.length;
    return {
      loss: logLoss(labels, { values: this.#scaled(logits, heads), classes }),
      ece: expectedCalibrationError(labels, { values: probabilities, classes }),
    };
  }
}
