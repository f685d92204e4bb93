import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);

/** The names, versions and licences of packages, with the texts that they bring. */
export async function licencesOf(packages: readonly string[]): Promise<string> {
  const notes = await Promise.all(packages.map(noteOf));
  return `${notes.join('\n\n')}\n`;
}

async function noteOf(name: string): Promise<string> {
  const folder = folderOf(name);
  const { version, license, homepage } = JSON.parse(
    await readFile(join(folder, 'package.json'), 'utf8'),
  ) as Record<string, string>;
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
  const text = file === undefined ? '' : `\n\n${await readFile(join(folder, file), 'utf8')}`;
  return `${'='.repeat(80)}\n${name} ${version}, ${license}, ${homepage ?? ''}${text}`;
}

function folderOf(name: string): string {
  const places = require.resolve.paths(name) ?? [];
  const place = places.find((path) => existsSync(join(path, name, 'package.json')));
  if (place === undefined) throw new Error(`${name} is not installed`);
  return join(place, name);
}
