import { InputError } from '../errors.js';
import { nearest } from '../nearest.js';
import type { Part } from './example.js';

/** The names of the columns of each part; a part may be absent. */
export type Roles = { readonly [part in Part]?: string };

/**
 * What the caller says of a column: its name, null for none, or nothing, and then it is looked for.
 */
export type RoleOptions = { readonly [part in Part]?: string | null };

/**
 * The usual names, most telling first: a name of a later list counts only where no earlier list has
 * one.
 */
const usualNames: { readonly [part in Part]: readonly (readonly string[])[] } = {
  text: [
    ['text', 'texts', 'sentence', 'content', 'caption', 'tweet', 'full_text', 'tweet_text'],
    [
      'title',
      'description',
      'post',
      'message',
      'review',
      'body',
      'comment',
      'question',
      'headline',
    ],
  ],
  image: [
    ['image', 'img', 'image_path', 'img_path', 'image_file', 'img_file', 'picture', 'photo'],
    [
      'imagepath',
      'imgpath',
      'image_name',
      'img_name',
      'image_filename',
      'filename',
      'file_name',
      'file',
      'path',
    ],
  ],
  label: [
    ['label', 'labels', 'tag', 'class', 'category', 'target'],
    ['sentiment', 'emotion', 'topic', 'y'],
  ],
};

/**
 * Decides which column holds the text, which the picture and which the label.
 *
 * @throws InputError where a named column is absent or occurs twice, where several columns could be
 * meant, or where there is neither text nor picture; it lists the columns that exist.
 */
export function findRoles(columns: readonly string[], options: RoleOptions, name: string): Roles {
  refuseOneColumn(columns, name);
  const roles: { [part in Part]?: string } = {};
  for (const part of ['text', 'image', 'label'] as const) {
    const column = findColumn(columns, part, options[part], name);
    if (column !== undefined) roles[part] = column;
  }
  if (roles.text === undefined && roles.image === undefined) {
    throw new InputError(
      `csv: ${name} has no column that looks like a text or an image; it has ${listed(columns)}; ` +
        'pass text, image or both',
    );
  }
  refuseShared(roles, name);
  return roles;
}

function findColumn(
  columns: readonly string[],
  part: Part,
  wanted: string | null | undefined,
  name: string,
) {
  if (wanted === null) return undefined;
  const column = wanted === undefined ? usualColumn(columns, part, name) : wanted;
  if (column === undefined) return undefined;
  const count = columns.filter((other) => other === column).length;
  if (count === 0) {
    throw new InputError(
      `csv: ${name} has no column ${quoted(column)} for the ${part}; it has ${listed(columns)}` +
        didYouMean(column, columns),
    );
  }
  if (count > 1)
    throw new InputError(
      `csv: ${name} has ${count} columns named ${quoted(column)}; rename all but one`,
    );
  return column;
}

function usualColumn(columns: readonly string[], part: Part, name: string): string | undefined {
  for (const names of usualNames[part]) {
    const found = [...new Set(columns.filter((column) => names.includes(simplified(column))))];
    if (found.length === 1) return found[0];
    if (found.length > 1) {
      throw new InputError(
        `csv: in ${name} any of the columns ${listed(found)} could be the ${part}; ` +
          `pass ${part} (or null for none); it has ${listed(columns)}`,
      );
    }
  }
  return undefined;
}

function simplified(column: string): string {
  return column
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
}

function refuseOneColumn(columns: readonly string[], name: string): void {
  const separator = columns.length === 1 ? /[;\t|]/.exec(columns[0]!)?.[0] : undefined;
  if (separator === undefined) return;
  throw new InputError(
    `csv: the header of ${name} is a single column ${quoted(columns[0]!)}; ` +
      `if its cells are separated otherwise, pass delimiter: ${JSON.stringify(separator)}`,
  );
}

function refuseShared(roles: Roles, name: string): void {
  const used = Object.values(roles);
  const shared = used.find((column, i) => used.indexOf(column) !== i);
  if (shared === undefined) return;
  throw new InputError(
    `csv: column ${quoted(shared)} of ${name} is asked for twice; text, image and label differ`,
  );
}

/** `"a", "b"`, cut after a dozen. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 12).map(quoted).join(', ');
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown;
}

/**
 * A value as it is shown in a message: in quotes, control characters visible, cut where it is long.
 */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
}

/** `; did you mean "label"?` where one of the names is near, else nothing. */
export function didYouMean(wrong: string, names: readonly string[]): string {
  const near = nearest(wrong, names);
  return near === undefined ? '' : `; did you mean ${quoted(near)}?`;
}
