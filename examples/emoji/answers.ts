// What the model says about the test set, in a form that a person can check.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BertResNetModel } from 'bertresnet';
import { parse } from 'csv-parse/sync';

/** A row of test.csv and the model's answer to it. */
export interface Answer {
  readonly emoji: string;
  readonly name: string;
  /** The path of the picture. */
  readonly image: string;
  readonly truth: string;
  readonly predicted: string;
  readonly probability: number;
}

type Row = Record<'text' | 'image' | 'label' | 'emoji' | 'name', string>;

/** Answers `count` rows spread evenly over the test set. */
export async function answerSome(
  model: BertResNetModel,
  folder: string,
  count: number,
): Promise<Answer[]> {
  const rows: Row[] = parse(readFileSync(join(folder, 'test.csv')), { columns: true });
  const some = Array.from(
    { length: count },
    (_, i) => rows[Math.floor(((i + 0.5) * rows.length) / count)]!,
  );
  const questions = some.map((row) => ({ text: row.text, image: join(folder, row.image) }));
  const answers = await model.predict(questions);
  return some.map(({ emoji, name, label }, i) => {
    const { label: predicted, probability } = answers[i]!;
    return { emoji, name, image: questions[i]!.image, truth: label, predicted, probability };
  });
}
