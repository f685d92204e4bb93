import { split } from '../index.js';
import type { CsvDataset, Dataset } from '../index.js';
import { describeRows, openCsv } from './data.js';
import { requireLabels } from './labels.js';
import { count, plural } from './table.js';
import type { Terminal } from './terminal.js';
import type { TrainValues } from './trainOptions.js';
import type { TrainTask } from './trainTask.node.js';

/** The rows of a run. */
export interface Rows {
  readonly train: Dataset;
  readonly validation?: Dataset;
}

/**
 * Opens the rows to train on and those of validation: another file, or a part that is held out.
 *
 * @param command what an error is said by
 * @throws InputError where either have no labels, and not what else is wrong for want of them
 */
export async function openRows(
  { train, values }: Pick<TrainTask, 'train' | 'values'>,
  terminal: Terminal,
  command = 'train',
): Promise<Rows> {
  const { val, valFraction = 0.2, exclude, seed } = values;
  const rows = await openCsv(train, values, { exclude });
  requireLabels(rows, command);
  describeRows(rows, terminal);
  warnOfSingles(rows, terminal);
  if (val !== undefined)
    return { train: rows, validation: await openValidation(val, rows, values, terminal) };
  if (valFraction === 0) return { train: rows };
  const [kept, held] = await split(rows, [1 - valFraction, valFraction], { seed });
  terminal.say(
    `  ${plural(held!.size, 'row')} held out for validation, ${count(kept!.size)} to train on`,
  );
  return { train: kept!, validation: held };
}

/** A column of numbers or of names can be read as labels, and then most of them are of one row. */
function warnOfSingles({ labels, labelCounts, roles }: CsvDataset, terminal: Terminal): void {
  const once = labelCounts.filter((rows) => rows === 1).length;
  if (once <= labels.length / 2) return;
  terminal.say(
    `warning: ${once} of ${labels.length} labels occur once; a classifier needs some rows of each, ` +
      `is ${roles.label!} the right column?`,
  );
}

async function openValidation(
  path: string,
  { labels, roles }: CsvDataset,
  values: TrainValues,
  terminal: Terminal,
): Promise<CsvDataset> {
  const { text = null, image = null } = roles;
  const rows = await openCsv(path, values, { labels, text, image });
  describeRows(rows, terminal);
  return rows;
}
