import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { BlobWriter, TextReader, Uint8ArrayReader, ZipWriter } from '@zip.js/zip.js';
import { describe, expect, it } from 'vitest';
import { CsvDataset } from '../../src/datasets/csv.js';
import type { CsvOptions } from '../../src/datasets/csv.js';
import { dialectOf } from '../../src/datasets/csvParse.js';
import * as inBrowser from '../../src/datasets/csvParse.browser.js';
import * as inNode from '../../src/datasets/csvParse.node.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { InputError } from '../../src/errors.js';
import type { DirectoryHandle, FileHandle, FileSource } from '../../src/files/fileTree.js';
import { folderWith } from './csvFolder.js';

const csv = 'text,image,label\n"so good,\n again",img/1.png,b\nbad,img/é 2#.png,a\n';
const other = 'text,image,label\nbad,img/é 2#.png,a\n';
const picture = await readFile(new URL('../fixtures/images/rgba.png', import.meta.url));
const files: Record<string, string | Uint8Array> = {
  'rows.csv': csv,
  'val.csv': other,
  'img/1.png': picture,
  'img/é 2#.png': picture,
};
const under = (folder: string) =>
  Object.fromEntries(Object.entries(files).map(([path, content]) => [folder + path, content]));

/** What macOS adds to a folder, and to a zip of one. */
const finder = {
  '.DS_Store': 'x',
  'data/.DS_Store': 'x',
  '__MACOSX/._data': 'x',
  '__MACOSX/data/._rows.csv': 'x',
  '__MACOSX/data/img/._1.png': 'x',
};

const blobs = (contents: Record<string, string | Uint8Array>) =>
  new Map(Object.entries(contents).map(([path, part]) => [path, new Blob([part as never])]));

function picked(contents: Record<string, string | Uint8Array>): File[] {
  return Object.entries(contents).map(([path, part]) => {
    const file = new File([part as never], path.split('/').at(-1)!);
    return Object.defineProperty(file, 'webkitRelativePath', { value: path });
  });
}

async function zip(contents: Record<string, string | Uint8Array>, level = 5): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter(), { level, useWebWorkers: false });
  for (const [path, part] of Object.entries(contents))
    await writer.add(
      path,
      typeof part === 'string' ? new TextReader(part) : new Uint8ArrayReader(part),
    );
  return writer.close();
}

/** A directory as a browser hands it out. */
function directory(contents: Record<string, string | Uint8Array>, name = 'data'): DirectoryHandle {
  const children = new Map<string, DirectoryHandle | FileHandle>();
  for (const first of new Set(Object.keys(contents).map((path) => path.split('/')[0]!))) {
    const inside = Object.entries(contents).filter(([path]) => path.startsWith(`${first}/`));
    const content = contents[first];
    if (content !== undefined)
      children.set(first, {
        kind: 'file',
        name: first,
        getFile: async () => new File([content as never], first),
      });
    else
      children.set(
        first,
        directory(
          Object.fromEntries(inside.map(([path, part]) => [path.slice(first.length + 1), part])),
          first,
        ),
      );
  }
  const refuse = async () => Promise.reject(new Error('read only'));
  return {
    kind: 'directory',
    name,
    values: async function* () {
      yield* children.values();
    },
    getDirectoryHandle: refuse,
    getFileHandle: refuse,
    removeEntry: refuse,
  };
}

async function served<T>(run: (base: string) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    const content = under('data/')[decodeURIComponent(request.url!.slice(1))];
    response.writeHead(content === undefined ? 404 : 200).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}/data/`);
  } finally {
    server.close();
  }
}

const open = (where: string | Blob | URL, source?: FileSource, options: CsvOptions = {}) =>
  CsvDataset.open(where, { ...options, files: source });
const message = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message;
};
const processor = new ImageProcessor({ size: 4 });
const direct = await processor.load(picture);

/** The rows are those of the file on disk, and the pictures the picture. */
async function expectRows(dataset: CsvDataset): Promise<void> {
  const onDisk = await CsvDataset.open(join(folderWith(files), 'rows.csv'));
  expect(dataset.labels).toEqual(onDisk.labels);
  expect(dataset.fingerprint).toBe(onDisk.fingerprint);
  expect(await dataset.rows([1, 0])).toEqual(await onDisk.rows([1, 0]));
  for (const { image } of await dataset.examples([0, 1]))
    expect(await processor.load(image!)).toEqual(direct);
}

describe('CSV files and their pictures', () => {
  const file = new File([csv], 'rows.csv');
  it.each<[string, () => Promise<CsvDataset>]>([
    ['a file and Blobs by their paths', () => open(file, blobs(files))],
    ['a path among Blobs', () => open('rows.csv', blobs(files))],
    ["a folder picker's files", () => open('rows.csv', picked(under('data/')))],
    ["a file of a folder picker's", () => open(picked(under('data/'))[0]!, picked(under('data/')))],
    ['a file and a picked folder', () => open(file, picked(under('data/')))],
    [
      'a file and its picked folder of pictures',
      () => open(file, picked({ 'img/1.png': picture, 'img/é 2#.png': picture })),
    ],
    ['a zip', async () => open('rows.csv', await zip(files))],
    ['a zip that is not compressed', async () => open('rows.csv', await zip(files, 0))],
    ['a zip of a folder', async () => open('data/rows.csv', await zip(under('data/')))],
    [
      "a zip of macOS's Finder",
      async () => open('rows.csv', await zip({ ...under('data/'), ...finder })),
    ],
    ['the Blobs of such a zip', () => open('rows.csv', blobs({ ...finder, ...under('data/') }))],
    ['a file and a zip of a folder', async () => open(file, await zip(under('data/')))],
    ["a directory's handle", () => open('rows.csv', directory(files))],
    ['a folder within a directory', () => open('sub/rows.csv', directory(under('sub/')))],
    ['a file and a folder on disk', () => open(file, folderWith(files))],
    [
      'a file on disk and a zip',
      async () => open(join(folderWith(files), 'rows.csv'), await zip(files)),
    ],
  ])('come from %s', async (_, opening) => {
    await expectRows(await opening());
  });

  it('come from an address, names escaped', async () => {
    await served(async (base) => {
      await expectRows(await open(new URL('rows.csv', base)));
      await expectRows(await open(file, base));
      await expectRows(await open(`${base}rows.csv`));
    });
  });

  it('leave out the rows of another file, wherever it is', async () => {
    for (const exclude of ['val.csv', new File([other], 'val.csv')]) {
      for (const source of [blobs(files), await zip(files), directory(under('sub/'))]) {
        const where = source instanceof Blob || source instanceof Map ? 'rows.csv' : 'sub/rows.csv';
        const dataset = await open(where, source, { exclude });
        expect([dataset.size, dataset.excluded]).toEqual([1, 1]);
      }
      const path = join(folderWith(files), 'rows.csv');
      expect((await CsvDataset.open(path, { exclude })).excluded).toBe(1);
    }
  });

  it('leave out the rows of another address', async () => {
    await served(async (base) => {
      const exclude = `${base}val.csv`;
      expect((await open(`${base}rows.csv`, undefined, { exclude })).excluded).toBe(1);
      expect(
        (await open(new URL(`${base}rows.csv`), undefined, { exclude: 'val.csv' })).excluded,
      ).toBe(1);
    });
  });

  it('say which row, column and file is at fault', async () => {
    const lacking = new Map([...blobs(files)].filter(([path]) => path !== 'img/1.png'));
    expect(await message(open('rows.csv', lacking))).toMatch(
      /^csv: rows\.csv row 1 \(line 2\), column "image": "img\/1\.png" is not among the files/,
    );
    expect(await message(open(file))).toMatch(/row 1 .*came without its file; pass files/);
    const skipping = await open('rows.csv', lacking, { onBadRow: 'skip' });
    expect([skipping.size, skipping.reasons]).toEqual([1, { 'missing image': 1 }]);
    expect(await message(open('other.csv', await zip(files)))).toMatch(/no file other\.csv/);
    const served404 = served(async (base) => {
      const dataset = await open(new File(['text,image\na,img/9.png\n'], 'rows.csv'), base);
      const [example] = await dataset.examples([0]);
      return processor.load(example!.image!);
    });
    expect(await message(served404)).toMatch(/img\/9\.png answered 404/);
    expect(await message(open('rows.csv', 7 as never))).toMatch(/^files: they must be a zip/);
  });

  it.each(['../1.png', '/img/1.png', 'C:\\1.png', 'img/../../1.png', 'https://x.org/1.png'])(
    'refuse the picture %s',
    async (cell) => {
      const table = new File([`text,image\na,${cell}\n`], 'rows.csv');
      for (const source of [blobs(under('sub/')), await zip(files), 'http://127.0.0.1:9/data'])
        expect(await message(open(table, source))).toMatch(/outside the folder|is an address/);
    },
  );

  it('lie outside the folder of their CSV only where that is allowed', async () => {
    const tree = blobs({ 'sub/rows.csv': 'text,image\na,../1.png\n', '1.png': picture });
    expect(await message(open('sub/rows.csv', tree))).toMatch(/pass allowOutside/);
    const dataset = await open('sub/rows.csv', tree, { allowOutside: true });
    const [example] = await dataset.examples([0]);
    expect(await processor.load(example!.image!)).toEqual(direct);
  });

  it('are read although they are large, across blocks and pieces', async () => {
    const cell = (i: number) => `${'é'.repeat(i % 977)} "" ${i}`;
    const rows = Array.from({ length: 4000 }, (_, i) => `"${cell(i)}",${i % 3}\n`);
    const dataset = await open(new File(['text,label\n', ...rows], 'large.csv'));
    expect(dataset.size).toBe(4000);
    const positions = [3999, 0, 1234, 2500, 2501];
    const read = (await dataset.examples(positions)).map(({ text }) => text);
    expect(read).toEqual(positions.map((i) => cell(i).replaceAll('""', '"')));
  });

  it('that are not UTF-8 are refused, wherever in the file that is', async () => {
    const bad = new Uint8Array([0x61, 0xff, 0x2c, 0x30, 0x0a]);
    const many = 'x,1\n'.repeat(600_000);
    expect(await message(open(new Blob(['text,label\n', many, bad])))).toMatch(
      /the CSV row 600001 .* is not valid UTF-8/,
    );
  });
});

describe('a zip', () => {
  const broken = 'is it a whole zip?';
  it('that is none, is cut off or damaged is refused', async () => {
    const whole = await zip(files);
    expect(await message(open('rows.csv', new Blob(['no zip at all'])))).toContain(broken);
    expect(await message(open('rows.csv', whole.slice(0, whole.size - 30)))).toContain(broken);
    const bytes = new Uint8Array(await (await zip({ 'rows.csv': csv }, 0)).arrayBuffer());
    bytes[60]! ^= 1;
    expect(await message(open('rows.csv', new Blob([bytes])))).toContain(broken);
  });

  it.each(['../rows.csv', '/rows.csv', 'img/../../rows.csv'])(
    'that names %s is refused',
    async (name) => {
      const placeholder = 'x'.repeat(name.length);
      const bytes = new Uint8Array(await (await zip({ [placeholder]: csv })).arrayBuffer());
      const text = Buffer.from(bytes).toString('latin1').replaceAll(placeholder, name);
      const evil = new Blob([Buffer.from(text, 'latin1')]);
      expect(await message(open('rows.csv', evil))).toContain(broken);
    },
  );

  it('whose file grows without measure is refused before it is unpacked', async () => {
    const bomb = await zip({ 'rows.csv': new Uint8Array(80 * 2 ** 20) });
    expect(bomb.size).toBeLessThan(200_000);
    expect(await message(open('rows.csv', bomb))).toMatch(
      /rows\.csv of the zip grows from .* as a zip bomb/,
    );
  });

  it('whose file is larger than it says is refused', async () => {
    const bytes = new Uint8Array(await (await zip({ 'rows.csv': csv.repeat(100) })).arrayBuffer());
    const size = csv.length * 100 + 100; // é takes two bytes
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length - 4; at++)
      if (view.getUint32(at, true) === size) view.setUint32(at, 100, true);
    expect(await message(open('rows.csv', new Blob([bytes])))).toMatch(/^zip: rows\.csv/);
  });
});

describe("csv-parse's two builds", () => {
  const bytes = new TextEncoder().encode('a,b\n"1,\n",ü\n\nx,\n');
  it('give the same records, whole and in pieces', async () => {
    const dialect = dialectOf(',');
    expect(await inBrowser.parseRecords(bytes, dialect)).toEqual(
      await inNode.parseRecords(bytes, dialect),
    );
    expect(await inBrowser.parseFirst(bytes, dialect)).toEqual(
      await inNode.parseFirst(bytes, dialect),
    );
    const seen = await Promise.all(
      [inBrowser, inNode].map(async ({ openParser }) => {
        const records: unknown[] = [];
        const parser = await openParser(dialect, 100, (cells, place) =>
          records.push([cells, place]),
        );
        for (let at = 0; at < bytes.length; at += 3) await parser.write(bytes.slice(at, at + 3));
        await parser.end();
        return records;
      }),
    );
    expect(seen[0]).toHaveLength(3);
    expect(seen[0]).toEqual(seen[1]);
  });

  it('pass on what a visitor throws, and what is wrong', async () => {
    for (const { openParser } of [inBrowser, inNode]) {
      const parser = await openParser(dialectOf(','), 100, () => {
        throw new InputError('enough');
      });
      await expect(parser.write(bytes).then(() => parser.end())).rejects.toThrow('enough');
      const quoted = await openParser(dialectOf(','), 100, () => {});
      const ending = quoted.write(new TextEncoder().encode('a,"b')).then(() => quoted.end());
      await expect(ending).rejects.toMatchObject({ code: 'CSV_QUOTE_NOT_CLOSED' });
    }
  });
});
