import { InputError } from '../index.js';
import type { CsvDataset } from '../index.js';

/** @throws InputError where a file has no column of labels: it lists the columns that exist */
export function requireLabels({ name, roles, columns }: CsvDataset, command: string): void {
  if (roles.label !== undefined) return;
  throw new InputError(
    `${command}: ${name} must have a column of labels, and none of its columns ${JSON.stringify(columns)} is known as one; ` +
      'name it with --label-column',
  );
}
