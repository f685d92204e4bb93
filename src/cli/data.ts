import { CsvDataset } from '../index.js';
import type { CsvOptions } from '../index.js';
import { choice, flag, text } from './options.js';
import type { Values } from './options.js';
import { plural } from './table.js';
import type { Terminal } from './terminal.js';

/** The options that say how a CSV file is read. */
export const dataOptions = {
  textColumn: text('NAME', 'The column of the text, or none (default: found by its usual names)'),
  imageColumn: text('NAME', 'The column of the pictures, paths relative to the CSV, or none'),
  badRows: choice(
    ['error', 'skip', 'missing'],
    'What becomes of a row that cannot be used whole: stop (error), leave it out (skip), use the part ' +
      'that is good (missing)',
  ),
  allowOutside: flag("Let pictures lie outside the CSV's folder"),
};

/** The options of a command that needs labels. */
export const labelOptions = {
  labelColumn: text('NAME', 'The column of the label (default: found by its usual names)'),
};

type DataValues = Values<typeof dataOptions & typeof labelOptions>;

/** Opens a CSV file as the options say; a column called none is none. */
export function openCsv(
  path: string,
  values: DataValues,
  more: CsvOptions = {},
): Promise<CsvDataset> {
  return CsvDataset.open(path, {
    ...columnOption('text', values.textColumn),
    ...columnOption('image', values.imageColumn),
    ...columnOption('label', values.labelColumn),
    ...(values.badRows === undefined ? {} : { onBadRow: values.badRows }),
    ...(values.allowOutside === undefined ? {} : { allowOutside: values.allowOutside }),
    ...more,
  });
}

function columnOption(part: 'text' | 'image' | 'label', name: string | undefined): CsvOptions {
  return name === undefined ? {} : { [part]: name === 'none' ? null : name };
}

/** Says what a file holds: rows, columns, labels, and what was left out and why. */
export function describeRows(dataset: CsvDataset, terminal: Terminal): void {
  const { text: words, image, label } = dataset.roles;
  const columns = Object.entries({ text: words, image, label }).filter(
    ([, name]) => name !== undefined,
  );
  const read = columns.map(([part, name]) => `${part} from ${name}`).join(', ');
  terminal.say(`${dataset.name}: ${plural(dataset.size, 'row')} (${read})`);
  if (label !== undefined) terminal.say(`  labels: ${labelSummary(dataset)}`);
  if (dataset.excluded > 0) terminal.say(`  excluded: ${plural(dataset.excluded, 'row')}`);
  if (dataset.skipped > 0) terminal.say(`  left out: ${plural(dataset.skipped, 'row')}`);
  if (dataset.incomplete > 0) {
    terminal.say(`  without text or picture: ${plural(dataset.incomplete, 'row')}`);
  }
  for (const [reason, rows] of Object.entries(dataset.reasons)) {
    terminal.say(`    ${reason}: ${plural(rows, 'row')}`);
  }
}

function labelSummary({ labels, labelCounts }: CsvDataset): string {
  const shown = labels.slice(0, 12).map((label, i) => `${label} ${labelCounts[i]}`);
  const more = labels.length > 12 ? ` and ${labels.length - 12} more` : '';
  return shown.join(', ') + more;
}
