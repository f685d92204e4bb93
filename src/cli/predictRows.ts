import { InputError, messageOf } from '../index.js';
import type {
  BertResNetModel,
  CsvCell,
  CsvDataset,
  Example,
  Mode,
  Prediction,
  PredictOptions,
} from '../index.js';

/** How rows are predicted. */
export interface RowOptions extends Pick<PredictOptions, 'threshold' | 'minimumPrecision'> {
  /** What every answer rests on; by default what the row has. */
  readonly mode?: Mode;
  /** The longest text, in tokens. */
  readonly maxLength?: number;
  /** Rows that are computed at once. */
  readonly batchSize: number;
  readonly signal: AbortSignal;
}

type Answer = Prediction | undefined;

/** Among the rows of so many batches, those of like length are computed together. */
const batchesAtOnce = 8;

/** Predicts the rows of a CSV, a batch at a time, and counts what it sees. */
export class RowPredictor {
  /** The number of rows that were given each label. */
  readonly answers: Map<string, number>;
  /** Those of them whose answer did not reach its threshold. */
  readonly abstained: Map<string, number>;
  /** Whether there are thresholds. */
  readonly abstains: boolean;
  /** Rows whose picture could not be read. */
  unreadable = 0;
  /** Rows without an answer: what the mode needs is not there. */
  unanswered = 0;
  readonly #added: readonly string[];
  readonly #kept: readonly number[];

  constructor(
    readonly model: Pick<BertResNetModel, 'labels' | 'predict'>,
    readonly rows: CsvDataset,
    readonly options: RowOptions,
  ) {
    const { labels } = model;
    this.answers = new Map(labels.map((label) => [label, 0]));
    this.abstained = new Map(this.answers);
    this.abstains = options.threshold !== undefined || options.minimumPrecision !== undefined;
    this.#added = [
      ...['prediction', 'probability', ...labels.map((label) => `probability_${label}`)],
      ...(this.abstains ? ['abstained'] : []),
    ];
    const { columns } = rows;
    // Predictions of before are replaced, with what they abstained from.
    const replaced = columns.includes('prediction') ? [...this.#added, 'abstained'] : this.#added;
    this.#kept = [...columns.keys()].filter((c) => !replaced.includes(columns[c]!));
  }

  /** The columns that came in, less those of an earlier prediction, and those that are added. */
  get columns(): string[] {
    return [...this.#kept.map((c) => this.rows.columns[c]!), ...this.#added];
  }

  /** The rows under `columns`. @throws InputError at a bad row, where the policy for them is `error` */
  async *records(): AsyncGenerator<CsvCell[]> {
    const { size } = this.rows;
    const { batchSize, signal } = this.options;
    const chunk = batchSize * batchesAtOnce;
    for (let start = 0; start < size; start += chunk) {
      signal.throwIfAborted();
      const length = Math.min(chunk, size - start);
      const positions = Array.from({ length }, (_, i) => start + i);
      const [cells, answers] = [await this.rows.rows(positions), await this.#answer(positions)];
      for (const [i, answer] of answers.entries()) {
        yield [...this.#kept.map((c) => cells[i]![c]), ...this.#cellsOf(answer)];
      }
    }
  }

  #cellsOf(answer: Answer): CsvCell[] {
    if (answer === undefined) {
      this.unanswered++;
      return this.#added.map(() => null);
    }
    const { label, probability, probabilities, abstained = false } = answer;
    this.answers.set(label, this.answers.get(label)! + 1);
    if (abstained) this.abstained.set(label, this.abstained.get(label)! + 1);
    const each = this.model.labels.map((name) => probabilities[name]!);
    const cells: CsvCell[] = [label, ...[probability, ...each].map(asWritten)];
    return this.abstains ? [...cells, abstained] : cells;
  }

  /** The answers to some rows; undefined to one that the policy for bad rows leaves unanswered. */
  async #answer(positions: readonly number[]): Promise<Answer[]> {
    const examples = await this.rows.examples(positions);
    try {
      return await this.#predict(examples);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
    // One of them cannot be answered: each is tried on its own, so that an error names its row.
    const { batchSize } = this.options;
    const answers: Answer[] = [];
    if (positions.length > batchSize) {
      for (let start = 0; start < positions.length; start += batchSize)
        answers.push(...(await this.#answer(positions.slice(start, start + batchSize))));
      return answers;
    }
    for (const [i, example] of examples.entries()) {
      answers.push(await this.#answerOne(positions[i]!, example));
    }
    return answers;
  }

  async #answerOne(position: number, example: Example): Promise<Answer> {
    const { rows, options } = this;
    try {
      const [answer] = await this.#predict([example]);
      return answer;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      if (rows.onBadRow === 'error') {
        throw new InputError(`${rows.describe(position)}: ${messageOf(error)}`);
      }
      if (lacksInput(example, options.mode)) return undefined;
      this.unreadable++;
      const { text } = example;
      const alone = rows.onBadRow === 'missing' && options.mode === undefined && text !== undefined;
      return alone ? (await this.#predict([{ text }]))[0] : undefined;
    }
  }

  #predict(examples: readonly Example[]): Promise<Prediction[]> {
    const { signal: _, ...options } = this.options;
    const inputs = examples.map(({ text, image }) => ({ text, image }));
    return this.model.predict(inputs, options);
  }
}

function lacksInput({ text, image }: Example, mode: Mode | undefined): boolean {
  if (mode === undefined) return text === undefined && image === undefined;
  return (mode !== 'image' && text === undefined) || (mode !== 'text' && image === undefined);
}

/** Seven digits: what a 32-bit float holds. */
function asWritten(probability: number): number {
  return Number(probability.toPrecision(7));
}
