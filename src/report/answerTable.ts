import { hashStrings } from '../datasets/csvHash.js';
import { shortName } from '../datasets/example.js';
import type { Dataset, Example } from '../datasets/example.js';
import type { RowAnswers } from '../training/rowAnswers.js';

/** The answer to a row, as a table keeps it. */
export interface AnswerRecord {
  /** What the row is called. */
  readonly row: string;
  /**
   * What tells the row from others wherever it lies: a hash of its text, the name of its picture's
   * file and its label, with a number behind it where rows are equal in these.
   */
  readonly key: string;
  /** What the answer rests on. */
  readonly mode: string;
  readonly label: string;
  readonly prediction: string;
  /** The probability of the prediction. */
  readonly probability: number;
}

/** The columns of {@link answerTable}, in its order. */
export const answerColumns = [
  ...(['row', 'key', 'mode', 'label', 'prediction', 'probability'] as const),
] satisfies readonly (keyof AnswerRecord)[];

/** Rows that are read at a time. */
const chunk = 1024;

/** The answers to rows, in the mode that was asked for, as a table: to look at, and to compare with those of another model. */
export async function answerTable(answers: RowAnswers, dataset: Dataset): Promise<AnswerRecord[]> {
  const { mode, labels: names } = answers.of;
  const { positions, labels, predictions, probabilities, heads } = answers.in(mode);
  const seen = new Map<string, number>();
  const records: AnswerRecord[] = [];
  for (let start = 0; start < positions.length; start += chunk) {
    const part = [...positions.subarray(start, start + chunk)];
    const examples = await dataset.examples(part);
    examples.forEach((example, i) => {
      const row = start + i;
      const label = names[labels[row]!]!;
      const key = keyOf(example, label);
      const times = (seen.get(key) ?? 0) + 1;
      seen.set(key, times);
      records.push({
        row: dataset.describe(part[i]!).replaceAll(dataset.name, shortName(dataset.name)),
        key: times === 1 ? key : `${key}-${times}`,
        mode: heads[row]!,
        label,
        prediction: names[predictions[row]!]!,
        probability: probabilities[row * names.length + predictions[row]!]!,
      });
    });
  }
  return records;
}

function keyOf({ text, image }: Example, label: string): string {
  const file = typeof image === 'string' ? shortName(image) : undefined;
  return hashStrings(text, file, label).toString(36);
}
