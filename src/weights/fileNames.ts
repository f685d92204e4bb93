import { InputError } from '../errors.js';

/**
 * Refuses the name of a file that could lead out of its folder on any system: absolute, with a drive, a backslash
 * or a `..`. Names come from indices and listings that others wrote.
 *
 * @throws InputError for such a name.
 */
export function checkFileName(name: string, source: string): void {
  const parts = name.split('/');
  const leaves = parts.some((part) => part === '' || part === '.' || part === '..');
  // oxlint-disable-next-line no-control-regex -- a control character is what is looked for
  if (!leaves && !/[\\:\u0000-\u001f]/.test(name)) return;
  throw new InputError(
    `pretrained: ${source} names the file ${JSON.stringify(name)}, which must lie in its folder; do not trust it`,
  );
}
