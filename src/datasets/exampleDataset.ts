import { InputError } from '../errors.js';
import { didYouMean, listed, quoted } from './csvColumns.js';
import { hashStrings } from './csvHash.js';
import type { BadRowPolicy, Dataset, Example, ImageSource } from './example.js';

/** A row as an application has it: its label is a name. */
export interface LabelledExample {
  readonly text?: string;
  readonly image?: ImageSource;
  readonly label?: string;
}

/** What a data set of examples is called, and how it is read. */
export interface ExampleDatasetOptions {
  /** The labels in the order of their indices; by default those that occur, sorted. */
  readonly labels?: readonly string[];
  /** What messages call it (default `examples`). */
  readonly name?: string;
  /** What becomes of a row whose picture turns out to be unreadable (default `error`). */
  readonly onBadRow?: BadRowPolicy;
}

/**
 * A data set of examples that are held in memory, for applications whose rows are in no CSV file.
 *
 * @throws InputError where there are no examples, where one has neither text nor picture, or an
 * unknown label.
 */
export function datasetFrom(
  examples: readonly LabelledExample[],
  options: ExampleDatasetOptions = {},
): Dataset {
  const { name = 'examples', onBadRow = 'error' } = options;
  if (examples.length === 0) throw new InputError(`datasetFrom: ${name} has no rows`);
  const labels = options.labels ?? occurringLabels(examples);
  const indices = new Map(labels.map((label, i) => [label, i]));
  const describe = (position: number) => `${name} row ${position + 1}`;
  const rows = examples.map((example, i) => indexed(example, indices, describe(i)));
  const row = (position: number) => {
    const found = rows[position];
    if (found) return found;
    throw new InputError(
      `datasetFrom: ${name} has rows at positions 0 to ${rows.length - 1}, got ${position}`,
    );
  };
  return {
    size: rows.length,
    labels,
    name,
    onBadRow,
    describe,
    examples: async (positions) => positions.map(row),
    labelOf: (position) => row(position).label ?? -1,
    keyOf: (position) => keyOfExample(row(position)),
  };
}

function occurringLabels(examples: readonly LabelledExample[]): string[] {
  return [
    ...new Set(examples.map(({ label }) => label).filter((label) => label !== undefined)),
  ].toSorted();
}

function indexed(
  { text, image, label }: LabelledExample,
  indices: ReadonlyMap<string, number>,
  row: string,
): Example {
  if (text === undefined && image === undefined) {
    throw new InputError(`datasetFrom: ${row} has neither text nor image`);
  }
  if (label === undefined) return { text, image };
  const index = indices.get(label);
  if (index !== undefined) return { text, image, label: index };
  const known = [...indices.keys()];
  throw new InputError(
    `datasetFrom: ${row}: unknown label ${quoted(label)}; known are ${listed(known)}` +
      didYouMean(label, known),
  );
}

/** Pictures that are no paths cannot be compared cheaply: such rows have no key. */
function keyOfExample({ text, image }: Example): number | undefined {
  return image === undefined || typeof image === 'string' ? hashStrings(text, image) : undefined;
}
