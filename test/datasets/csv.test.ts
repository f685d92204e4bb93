import { linkSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvDataset } from '../../src/datasets/csv.js';
import type { CsvOptions } from '../../src/datasets/csv.js';
import { duplicateRows } from '../../src/datasets/csvHash.js';
import { formatRecord } from '../../src/datasets/csvWrite.js';
import { InputError } from '../../src/errors.js';
import { folderWith } from './csvFolder.js';

const pictures = { 'img/1.jpg': '', 'img/2.jpg': '', 'img/3.jpg': '' };
const good =
  'text,img_path,tag\nso good,img/1.jpg,positive\nbad,img/2.jpg,negative\nok,img/3.jpg,neutral\n';

function open(
  csv: string | Uint8Array,
  options?: CsvOptions,
  files: Record<string, string> = pictures,
) {
  const folder = folderWith({ ...files, 'rows.csv': csv });
  return CsvDataset.open(join(folder, 'rows.csv'), options);
}

async function message(opening: Promise<unknown>): Promise<string> {
  const error = await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message;
}

const all = (dataset: CsvDataset) => Array.from({ length: dataset.size }, (_, i) => i);
const texts = async (dataset: CsvDataset) =>
  (await dataset.examples(all(dataset))).map(({ text }) => text);

describe('CsvDataset.open', () => {
  it('reads rows of text, picture and label, in any order', async () => {
    const dataset = await open(good);
    expect(dataset.size).toBe(3);
    expect(dataset.labels).toEqual(['negative', 'neutral', 'positive']);
    expect(dataset.labelCounts).toEqual([1, 1, 1]);
    expect(dataset.columns).toEqual(['text', 'img_path', 'tag']);
    const [last, first] = await dataset.examples([2, 0]);
    expect(last).toMatchObject({ text: 'ok', label: 1 });
    expect(first).toMatchObject({ text: 'so good', label: 2 });
    expect(first!.image).toMatch(/img.1\.jpg$/);
    expect(await dataset.rows([1, 1])).toEqual([
      ['bad', 'img/2.jpg', 'negative'],
      ['bad', 'img/2.jpg', 'negative'],
    ]);
    expect(all(dataset).map((i) => dataset.labelOf(i))).toEqual([2, 0, 1]);
    expect(dataset.describe(1)).toMatch(/rows\.csv row 2 \(line 3\)$/);
    expect(dataset.describe(1, 'image')).toMatch(/row 2 \(line 3\), column "img_path"$/);
  });

  it('reads a byte order mark, every line end, quotes and multi-byte characters', async () => {
    const csv =
      '\uFEFFtext,tag\r\n"one\r\nline ""more""",a\r\n\r\n"é, 😀\n\n",b\n' +
      'three 語,a\r"\uFEFFfour\uFFFD\r",b\r\n"",';
    const dataset = await open(csv, { onBadRow: 'skip' });
    expect(await texts(dataset)).toEqual([
      'one\r\nline "more"',
      'é, 😀\n\n',
      'three 語',
      '\uFEFFfour\uFFFD\r',
    ]);
    const lines = all(dataset).map((i) => /line (\d+)/.exec(dataset.describe(i))![1]);
    expect(lines).toEqual(['2', '5', '8', '9']);
    expect(dataset.reasons).toEqual({ 'empty text': 1, 'empty label': 1 });
    expect(dataset.skipped).toBe(1);
    expect((await dataset.examples([3, 1])).map(({ text }) => text)).toEqual([
      '\uFEFFfour\uFFFD\r',
      'é, 😀\n\n',
    ]);
  });

  it('keeps the order of the labels that it is given', async () => {
    const dataset = await open(good, { labels: ['positive', 'neutral', 'negative', 'mixed'] });
    expect(dataset.labels).toEqual(['positive', 'neutral', 'negative', 'mixed']);
    expect(all(dataset).map((i) => dataset.labelOf(i))).toEqual([0, 2, 1]);
    expect(dataset.labelCounts).toEqual([1, 1, 1, 0]);
  });

  it('takes labels without the blanks around them', async () => {
    expect((await open('text,tag\na, x\nb,x \n')).labels).toEqual(['x']);
  });

  it('reads rows without labels, and a single modality', async () => {
    const unlabelled = await open(good, { label: null, labels: ['a', 'b'] });
    expect(unlabelled.labels).toEqual(['a', 'b']);
    expect(unlabelled.labelOf(0)).toBe(-1);
    expect((await unlabelled.examples([0]))[0]).not.toHaveProperty('label');
    const textOnly = await open(good, { image: null }, {});
    expect(await textOnly.examples([0])).toEqual([{ text: 'so good', label: 2 }]);
    const imageOnly = await open('file,label\nimg/2.jpg,x\n');
    expect(imageOnly.roles).toEqual({ image: 'file', label: 'label' });
    expect(Object.keys((await imageOnly.examples([0]))[0]!)).toEqual(['image', 'label']);
  });

  it('reads another delimiter when told, and hints at it when not', async () => {
    expect((await open('text;tag\n"a;b";x\n', { delimiter: ';' })).size).toBe(1);
    expect(await message(open('text;tag\na;x\n'))).toContain('pass delimiter: ";"');
    expect(await message(open('text\ttag\na\tx\n'))).toContain('pass delimiter: "\\t"');
  });

  it('refuses options that make no sense', async () => {
    expect(await message(open(good, { onBadRow: 'ignore' as never }))).toContain(
      '"error", "skip", "missing"',
    );
    const known = 'text, image, label, exclude, files, labels, onBadRow, allowOutside, delimiter';
    expect(await message(open(good, { labelColumn: 'tag' } as CsvOptions))).toBe(
      `csv: unknown option 'labelColumn'; the options are ${known}`,
    );
    expect(await message(open(good, { onbadrow: 'skip' } as CsvOptions))).toBe(
      `csv: unknown option 'onbadrow'; did you mean onBadRow? The options are ${known}`,
    );
    const names = [...known.split(', '), 'labelColumn'];
    const undefineds = Object.fromEntries(names.map((name) => [name, undefined]));
    expect((await open(good, undefineds)).size).toBe(3);
    expect(await message(open(good, { labels: [] }))).toContain('a class at least');
    expect(await message(open(good, { labels: ['a', 'a'] }))).toContain('"a" twice');
    expect(await message(open(good, { delimiter: '' }))).toContain('one character');
  });
});

describe('the columns', () => {
  it('are listed where one is missing, with the nearest name', async () => {
    const text = await message(open(good, { text: 'texts', label: 'tag' }));
    expect(text).toMatch(
      /no column "texts" for the text; it has "text", "img_path", "tag"; did you mean "text"\?/,
    );
    expect(await message(open('a,b\n1,2\n'))).toMatch(
      /rows\.csv has no column that looks like .* it has "a", "b"/,
    );
  });

  it('must be told apart', async () => {
    expect(await message(open('text,label,class\na,b,c\n'))).toContain(
      'any of the columns "label", "class"',
    );
    expect(await message(open('text,text,tag\na,b,c\n'))).toContain('2 columns named "text"');
    expect(await message(open(good, { text: 'tag', label: 'tag' }))).toContain('"tag" of');
    expect((await open('text,label,class,x,x\na,b,c,1,2\n', { label: 'class' })).labels).toEqual([
      'c',
    ]);
  });

  it('are found by their usual names, whatever their case, the more telling first', async () => {
    const dataset = await open('Title,Text,Image Path,CATEGORY\nt,a,img/1.jpg,x\n');
    expect(dataset.roles).toEqual({ text: 'Text', image: 'Image Path', label: 'CATEGORY' });
  });
});

describe('a file that is broken', () => {
  const broken: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ['empty', '', /rows\.csv is empty/],
    ['only a byte order mark', '\uFEFF', /rows\.csv is empty/],
    ['only blank lines', '\n\r\n\n', /rows\.csv is empty/],
    ['only a header', 'text,tag\n', /rows\.csv has a header row and no rows/],
    ['UTF-16', Buffer.from('\uFEFFtext,tag\na,b\n', 'utf16le'), /UTF-16; save it as UTF-8/],
    [
      'Windows-1252',
      Buffer.from('text,tag\nfine,x\ncaf\xe9,x\n', 'latin1'),
      /row 2 \(line 3\), column "text".*UTF-8/,
    ],
    [
      'garbled in its header',
      Buffer.from('text,tag\xe9\na,b\n', 'latin1'),
      /header of .*rows\.csv is not valid UTF-8/,
    ],
    [
      'ragged, short',
      'text,tag\na,x\n"b\n"\n',
      /row 2 \(line 3\): the row has 1 cell, the header 2/,
    ],
    ['ragged, long', 'text,tag\na,x,y\n', /row 1 \(line 2\): the row has 3 cells, the header 2/],
    [
      'left inside a quote',
      'text,tag\n"a\n\n",x\n"b,x\nc,x\n',
      /row 2 \(line 5\): a quoted cell begins that is never/,
    ],
    ['quoted too late', 'text,tag\na "b" c,x\n', /row 1 \(line 2\): a quote stands inside a cell/],
    ['continued after a quote', 'text,tag\n"a" b,x\n', /row 1 \(line 2\): text follows the quote/],
    [
      'left inside a quote in its header',
      '"text,tag\na,x\n',
      /header \(line 1\): a quoted cell begins/,
    ],
    [
      'without a text',
      'text,tag\na,x\n ,x\n',
      /row 2 \(line 3\), column "text": the cell is empty/,
    ],
    ['without a label', 'text,tag\na,x\nb,\n', /row 2 \(line 3\), column "tag": the cell is empty/],
    [
      'without a path',
      'text,image,tag\na,,x\n',
      /row 1 \(line 2\), column "image": the cell is empty/,
    ],
    [
      'without a picture',
      'text,image,tag\na,img/9.jpg,x\n',
      /column "image": "img\/9\.jpg" does not exist \(.*9\.jpg\)/,
    ],
    [
      'with a folder as a picture',
      'text,image,tag\na,img,x\n',
      /column "image": "img" is not a file/,
    ],
    [
      'with an address as a picture',
      'text,image,tag\na,http://x/1.jpg,x\n',
      /"http:\/\/x\/1\.jpg" is an address/,
    ],
  ];

  it.each(broken)('%s', async (_, csv, expected) => {
    expect(await message(open(csv))).toMatch(expected);
  });

  it('is not there, or no file', async () => {
    const folder = folderWith({});
    expect(await message(CsvDataset.open(join(folder, 'no.csv')))).toContain('there is no file');
    expect(await message(CsvDataset.open(folder))).toContain('is no file');
  });

  it('has a label that is not known', async () => {
    const text = await message(
      open(good.replace('negative', 'negativ'), { labels: ['negative', 'neutral', 'positive'] }),
    );
    expect(text).toMatch(
      /row 2 \(line 3\), column "tag": unknown label "negativ"; known are "negative", "neutral"/,
    );
    expect(text).toContain('did you mean "negative"?');
  });

  it('never closes a quote, and is large', async () => {
    const csv = `text,tag\n"a,x\n${'b,x\n'.repeat(5_000_000)}`;
    expect(await message(open(csv))).toMatch(/row 1 \(line 2\): the row is longer than 16 MiB/);
  });
});

describe('a bad row', () => {
  const otherwise = '; onBadRow (--bad-rows) says what else may become of such rows';

  it.each([
    ['an empty text', 'text,tag\n ,x\n'],
    ['an empty path', 'text,image\na,\n'],
    ['a picture that is not there', 'text,image\na,img/9.jpg\n'],
    ['too few cells', 'text,tag\na\n'],
  ])('with %s says what else may become of it', async (_, csv) => {
    expect((await message(open(csv))).endsWith(otherwise)).toBe(true);
  });

  it('whose error advises something already says no more', async () => {
    expect(await message(open('text,tag\na,\n'))).toMatch(
      /; pass label: null where rows need none$/,
    );
    expect(await message(open('text,image\na,../1.jpg\n'))).toMatch(
      /; pass allowOutside \(--allow-outside\) if that is meant$/,
    );
  });

  const csv =
    'text,image,tag\na,img/1.jpg,x\n,img/2.jpg,x\nb,img/9.jpg,y\nc,,x\n' +
    ',,x\n,img/9.jpg,w\nd,img/3.jpg,\nshort\ne,img/2.jpg,z\n';

  it('is left out and counted', async () => {
    const dataset = await open(csv, { onBadRow: 'skip', labels: ['x', 'y'] });
    expect(await texts(dataset)).toEqual(['a']);
    expect(dataset).toMatchObject({ skipped: 8, incomplete: 0, onBadRow: 'skip' });
    expect(dataset.reasons).toEqual({
      'empty text': 3,
      'missing image': 2,
      'empty image': 2,
      'unknown label': 2,
      'empty label': 1,
      'ragged row': 1,
    });
  });

  it('keeps what is good of it', async () => {
    const dataset = await open(csv, { onBadRow: 'missing' });
    const rows = await dataset.examples(all(dataset));
    expect(rows.map(({ text, image }) => [text, image && basename(image as string)])).toEqual([
      ['a', '1.jpg'],
      [undefined, '2.jpg'],
      ['b', undefined],
      ['c', undefined],
      ['e', '2.jpg'],
    ]);
    expect(dataset).toMatchObject({ skipped: 4, incomplete: 3 });
    expect(all(dataset).map((i) => dataset.rowNumber(i))).toEqual([1, 2, 3, 4, 9]);
    expect(dataset.labels).toEqual(['x', 'y', 'z']); // w stands only in a row that was left out
  });

  it('is an error where no other is left', async () => {
    const opening = open('text,tag\n,x\nb\n', { onBadRow: 'skip' });
    expect(await message(opening)).toMatch(/none of the 2 rows .* 1 empty text, 1 ragged row/);
  });

  it('may be garbled', async () => {
    const csv = Buffer.from('text,note,tag\nfine,,x\nfine,caf\xe9,x\ngood,,x\n', 'latin1');
    const dataset = await open(csv, { onBadRow: 'missing' });
    expect(await texts(dataset)).toEqual(['fine', 'good']);
    expect(dataset.reasons).toEqual({ 'invalid UTF-8': 1 });
  });
});

describe('the path of a picture', () => {
  const csv = (path: string) =>
    formatRecord(['image', 'tag']) + formatRecord([path, 'x'], { escapeFormulas: false });

  function outside(): string {
    const folder = folderWith({ 'secret.jpg': '', 'data/img/1.jpg': '' });
    symlinkSync(join(folder, 'secret.jpg'), join(folder, 'data/link.jpg'));
    symlinkSync(folder, join(folder, 'data/up'));
    symlinkSync(join(folder, 'data/img'), join(folder, 'data/inside'));
    symlinkSync(join(folder, 'data/img/1.jpg'), join(folder, 'data/one.jpg'));
    return folder;
  }

  const open = (folder: string, path: string, options?: CsvOptions) => {
    writeFileSync(join(folder, 'data/rows.csv'), csv(path));
    return CsvDataset.open(join(folder, 'data/rows.csv'), options);
  };

  it.each(['../secret.jpg', 'img/../../secret.jpg', 'link.jpg', 'up/secret.jpg', '..\\secret.jpg'])(
    'does not leave the folder: %s',
    async (path) => {
      const folder = outside();
      expect(await message(open(folder, path))).toMatch(
        /row 1 \(line 2\), column "image".*pass allowOutside/,
      );
      expect((await open(folder, path, { allowOutside: true })).size).toBe(1);
    },
  );

  it.each([
    'C:\\secret.jpg',
    'c:secret.jpg',
    '\\\\server\\secret.jpg',
    '/etc/hostname',
    '//etc/hostname',
    '..',
  ])('is no place outside the folder: %s', async (path) => {
    expect(await message(open(outside(), path))).toContain('outside the folder');
  });

  it('is not taken as absolute even where it leads back inside', async () => {
    const folder = outside();
    const path = join(folder, 'data/img/1.jpg');
    expect(await message(open(folder, path))).toContain('outside the folder');
    expect((await open(folder, path, { allowOutside: true })).size).toBe(1);
  });

  it.each([
    'img/1.jpg',
    './img/1.jpg',
    'img/../img/1.jpg',
    'img\\1.jpg',
    'inside/1.jpg',
    'one.jpg',
  ])('stays inside: %s', async (path) => {
    expect((await open(outside(), path)).size).toBe(1);
  });

  it('is judged where the CSV file itself is reached through a link', async () => {
    const folder = outside();
    writeFileSync(join(folder, 'data/rows.csv'), csv('img/1.jpg'));
    symlinkSync(join(folder, 'data'), join(folder, 'alias'));
    const [direct, linked] = [join(folder, 'data/rows.csv'), join(folder, 'alias/rows.csv')];
    expect(duplicateRows(await CsvDataset.open(direct), await CsvDataset.open(linked))).toBe(1);
  });

  it('is relative to where the CSV file is found, be that a link', async () => {
    const folder = outside();
    writeFileSync(join(folder, 'elsewhere.csv'), csv('img/1.jpg'));
    symlinkSync(join(folder, 'elsewhere.csv'), join(folder, 'data/rows.csv'));
    expect((await CsvDataset.open(join(folder, 'data/rows.csv'))).size).toBe(1);
  });

  it('may be a hard link, and an odd name', async () => {
    const folder = outside();
    mkdirSync(join(folder, 'data/späte fotos'));
    linkSync(join(folder, 'secret.jpg'), join(folder, 'data/späte fotos/x, "y".jpg'));
    expect((await open(folder, 'späte fotos/x, "y".jpg')).size).toBe(1);
  });
});

describe('exclude', () => {
  const val = 'tag,img_path,text,extra\nwhatever,./img/2.jpg,bad,1\nx,img/2.jpg,ok,2\n';

  it('drops the rows whose text and picture both stand in the other file', async () => {
    const folder = folderWith({ ...pictures, 'train.csv': good, 'val.csv': val });
    const path = join(folder, 'train.csv');
    const dataset = await CsvDataset.open(path, { exclude: join(folder, 'val.csv') });
    expect(await texts(dataset)).toEqual(['so good', 'ok']);
    expect(dataset.excluded).toBe(1);
    expect(dataset.labels).toEqual(['neutral', 'positive']);
    const beside = await CsvDataset.open(path, { exclude: ['val.csv'] });
    expect(beside.excluded).toBe(1);
  });

  it('needs the same columns, and an existing file', async () => {
    const folder = folderWith({ ...pictures, 'train.csv': good, 'val.csv': 'text,tag\nbad,x\n' });
    const path = join(folder, 'train.csv');
    expect(await message(CsvDataset.open(path, { exclude: 'val.csv' }))).toMatch(
      /val\.csv has no column "img_path"/,
    );
    expect(await message(CsvDataset.open(path, { exclude: 'no.csv' }))).toMatch(
      /there is no file no\.csv/,
    );
    expect(await message(CsvDataset.open(path, { exclude: 'train.csv' }))).toMatch(
      /none of the 3 rows .* 3 excluded/,
    );
  });

  it('counts the rows that two sets share', async () => {
    const folder = folderWith({
      ...pictures,
      'train.csv': good,
      'val.csv': val,
      'sub/img/2.jpg': '',
      'sub/val.csv': val,
    });
    const train = await CsvDataset.open(join(folder, 'train.csv'));
    expect(duplicateRows(train, await CsvDataset.open(join(folder, 'val.csv')))).toBe(1);
    expect(duplicateRows(train, train)).toBe(3);
    const otherPictures = await CsvDataset.open(join(folder, 'sub/val.csv'));
    expect(duplicateRows(train, otherPictures)).toBe(0);
  });
});

describe('a file that changes', () => {
  it('is noticed when rows are read', async () => {
    const folder = folderWith({ ...pictures, 'rows.csv': good });
    const path = join(folder, 'rows.csv');
    const dataset = await CsvDataset.open(path);
    expect(await dataset.examples([0])).toHaveLength(1);
    utimesSync(path, 1, 1);
    expect(await message(dataset.examples([0]))).toMatch(
      /rows\.csv has changed since it was opened/,
    );
    const again = await CsvDataset.open(path);
    writeFileSync(join(folder, 'new.csv'), good);
    renameSync(join(folder, 'new.csv'), path);
    expect(await message(again.rows([2]))).toContain('has changed');
  });

  it('has another fingerprint', async () => {
    const print = async (csv: string, options?: CsvOptions) =>
      (await open(csv, options)).fingerprint;
    const first = await print(good);
    expect(await print(good)).toBe(first); // in another folder
    const others = [
      await print(good.replace('bad', 'mad')),
      await print(good, { label: null }),
      await print(good, { labels: ['positive', 'neutral', 'negative'] }),
      await print(good, { image: null }),
    ];
    expect(new Set([first, ...others]).size).toBe(5);
  });
});

describe('reading back', () => {
  it('refuses positions that are none', async () => {
    const dataset = await open(good);
    for (const position of [-1, 3, 0.5, NaN]) {
      expect(await message(dataset.examples([position]))).toContain('positions 0 to 2');
    }
    expect(await dataset.examples([])).toEqual([]);
  });

  it('reads records that are longer than a block, and many', async () => {
    const long = Array.from(
      { length: 40 },
      (_, i) => `${i} ${'ü"\n'.repeat(1 + (i % 4) * 15_000)}`,
    );
    const csv = formatRecord(['text']) + long.map((text) => formatRecord([text])).join('');
    const dataset = await open(csv);
    const backwards = all(dataset).toReversed();
    expect((await dataset.examples(backwards)).map(({ text }) => text)).toEqual(long.toReversed());
    const some = await Promise.all(backwards.map((i) => dataset.examples([i])));
    expect(some.map(([row]) => row!.text)).toEqual(long.toReversed());
  });

  it('gives every table back as it was written, whatever its cells and line ends', async () => {
    const cell = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            '"',
            '""',
            ',',
            '\n',
            '\r',
            '\r\n',
            '\uFEFF',
            '\uFFFD',
            '\0',
            ' ',
            "'",
            '=',
          ),
          fc.string({ unit: 'grapheme', maxLength: 5 }),
        ),
        { maxLength: 4 },
      )
      .map((parts) => parts.join(''));
    const table = fc.integer({ min: 0, max: 3 }).chain((width) =>
      fc.array(fc.array(cell, { minLength: width, maxLength: width }), {
        minLength: 1,
        maxLength: 8,
      }),
    );
    const style = fc.record({
      lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
      mark: fc.boolean(),
      last: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        table,
        style,
        fc.infiniteStream(fc.nat()),
        async (cells, { lineEnd, mark, last }, at) => {
          const rows = cells.map((row, i) => [`t${i}`, ...row]);
          const columns = ['text', ...rows[0]!.slice(1).map((_, i) => `c${i}`)];
          const records = [columns, ...rows].map((row) =>
            formatRecord(row, { escapeFormulas: false }),
          );
          const lines = records.map((record) => record.slice(0, -1) + lineEnd).join('');
          const csv = (mark ? '\uFEFF' : '') + (last ? lines : lines.slice(0, -lineEnd.length));
          const dataset = await open(csv, {}, {});
          const positions = [...at.take(5)].map((n) => n % rows.length);
          expect(await dataset.rows(all(dataset))).toEqual(rows);
          expect(await dataset.rows(positions)).toEqual(positions.map((i) => rows[i]));
        },
      ),
      { numRuns: 200 },
    );
  });
});
