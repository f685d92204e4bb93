// From files to rows, or to what is wrong with them in plain words.
import { CsvDataset, messageOf } from 'bertresnet';
import type { DataProblem, Columns, PickedFile } from '../protocol.js';
import { divide } from './divide.js';
import type { Rows } from './divide.js';
import { plainError, plainReasons } from './plainWords.js';
import { looseNames } from './looseNames.js';
import { headerOf, isTable } from './tableHead.js';
import { tablesIn } from './zipFiles.js';

const fewestRows = 12;
/** With fewer rows a label, on average, the column is hardly one of labels. */
const fewestRowsALabel = 2;

/** A zip that holds one CSV and its pictures. */
export async function openZip(
  zip: Blob,
  name: string,
  columns?: Columns,
): Promise<Rows | DataProblem> {
  let tables: PickedFile[];
  try {
    tables = await tablesIn(zip);
  } catch (error) {
    return { problem: [`${name} cannot be unpacked.`, messageOf(error)] };
  }
  const [table] = tables;
  if (table === undefined || tables.length > 1) return notOneTable(tables, `The zip ${name} has`);
  return openTable(table, zip, name, columns);
}

/** The one CSV among files, with the pictures among them; or a zip of both. */
export async function openPicked(
  files: readonly PickedFile[],
  columns?: Columns,
): Promise<Rows | DataProblem> {
  const [first] = files;
  if (files.length === 1 && first !== undefined && /\.zip$/i.test(first.path)) {
    return openZip(first.file, lastPart(first.path), columns);
  }
  const tables = files.filter(({ path }) => isTable(path));
  const [table] = tables;
  if (table === undefined || tables.length > 1) {
    return notOneTable(
      tables,
      files.length === 1 ? `“${first!.path}” is` : `The ${files.length} files have`,
    );
  }
  const held = new Map(files.map(({ path, file }) => [path, file]));
  for (const [path, file] of await looseNames(table, files, columns)) held.set(path, file);
  return openTable(table, held, lastPart(table.path), columns);
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

function notOneTable(tables: readonly PickedFile[], subject: string): DataProblem {
  if (tables.length === 0) {
    const verb = subject.endsWith('is') ? 'not a CSV' : 'no CSV among them';
    return {
      problem: [
        `${subject} ${verb}.`,
        'Drop the CSV together with its pictures, or a folder or a zip with both.',
      ],
    };
  }
  return {
    problem: [
      `There are ${tables.length} CSV files, and one is needed.`,
      `They are ${tables.map(({ path }) => path).join(', ')}.`,
      'Put their rows in one file; a column “split” may say which are held back.',
    ],
  };
}

async function openTable(
  { path, file }: PickedFile,
  files: Blob | ReadonlyMap<string, Blob>,
  name: string,
  columns?: Columns,
): Promise<Rows | DataProblem> {
  const { header, delimiter } = await headerOf(file);
  if (header.length === 0) {
    return { problem: [`${name} is empty.`, 'It needs a header row, and a row for each example.'] };
  }
  const none: Columns = { text: null, image: null, label: null };
  const choice = { header, columns: columns ?? none };
  let dataset: CsvDataset;
  try {
    dataset = await CsvDataset.open(path, { ...columns, files, delimiter, onBadRow: 'missing' });
  } catch (error) {
    return { problem: plainError(messageOf(error), path, name), choice };
  }
  const { text = null, image = null, label = null } = dataset.roles;
  const found = { header, columns: { text, image, label } };
  const problem = unfit(dataset, name);
  if (problem !== undefined) return { problem, choice: found };
  return divide(dataset, { name, ...found, warnings: plainReasons(dataset.reasons) });
}

/** What keeps rows that could be read from being learnt from. */
function unfit(
  { roles, labels, size, columns, skipped }: CsvDataset,
  name: string,
): string[] | undefined {
  if (roles.label === undefined) {
    return [
      `No column of ${name} looks like a label.`,
      `Its columns are ${columns.map((column) => `“${column}”`).join(', ')}.`,
      'Choose the one that the model shall learn to give.',
    ];
  }
  if (size < fewestRows) {
    const left = skipped > 0 ? `; ${skipped} more cannot be used` : '';
    return [
      `${name} has ${size === 1 ? '1 row' : `${size} rows`} to learn from${left}.`,
      `At least ${fewestRows} are needed, and some hundred are better.`,
    ];
  }
  if (labels.length < 2) {
    return [
      `All rows have the same label, “${labels[0]}”.`,
      'At least two different labels are needed.',
    ];
  }
  if (size / labels.length < fewestRowsALabel) {
    return [
      `“${roles.label}” has ${labels.length} different values in ${size} rows.`,
      'A label must come back in several rows to be learnt: is that the right column?',
    ];
  }
  return undefined;
}
